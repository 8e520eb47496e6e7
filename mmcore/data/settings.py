"""What `data` in params.yaml may say."""

from dataclasses import dataclass, field
from typing import Annotated

from mmcore.interfaces.settings import Range
from mmcore.registry.origin import PackageSettings
from mmcore.registry.settings import Part


@dataclass(frozen=True)
class SplitSettings:
    """How rows are dealt to train, validation and test; a group (all questions of one image) is never divided."""

    column: str | None = None
    """The source's column that says train, validation or test; null: by a seeded hash of the group."""
    seed: int = 0
    validation: Annotated[float, Range(0, 0.9)] = 0.1
    """Share of the groups; cut from train where the column names no validation rows."""
    test: Annotated[float, Range(0, 0.9)] = 0.1
    """Share of the groups; without effect where a column is given."""


@dataclass(frozen=True)
class DataSettings:
    """Where rows come from and what is done with those that cannot be used."""

    source: Part
    code: str
    """The source plugin's file or folder, for DVC to watch; written by `mm compose`."""
    watch: str
    """The file or folder that holds the data; a change in it makes `ingest` run again."""
    package: PackageSettings | None = None
    """Where the source comes from, if from outside this repository; written by `mm compose`."""
    id: str | None = None
    """The column with a unique name for each row; null: the row's number."""
    group: str | None = None
    """The column whose equal values stay in one split; null: each row, or each file content, is a group of its own."""
    split: SplitSettings = field(default_factory=SplitSettings)
    slices: tuple[str, ...] = ()
    """Columns to carry along, for scores by slice."""
    max_broken: Annotated[float, Range(0, 1)] = 0.01
    """The share of rows that may go to quarantine before a stage fails."""
    limit: Annotated[int, Range(1)] | None = None
    """Take this many rows only, spread evenly over the source: for quick tries."""
