"""Questions for a released model, and what artifacts/ says its answers are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.config.params import Params
from mmcore.data.files import digest_of_folder
from mmcore.data.manifest import Manifest
from mmcore.errors import WrongModel
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import Source
from mmcore.registry.plugins import Plugins, installed
from mmcore.registry.settings import Part
from mmcore.stages.outputs import read_rows
from mmcore.stages.paths import Paths

READS = ("data.source",)
ROWS = 8
TOLD = ("label", "text")
"""Columns of predictions.parquet that an answer must repeat."""


@dataclass(frozen=True)
class Questions:
    """Rows of the test split as a user would ask them."""

    rows: Sequence[Mapping[str, Cell | None]]
    base: Path
    expected: Sequence[Mapping[str, Any]]
    """`TASK:COLUMN` -> what evaluate found; empty where another model lies in artifacts/."""


def questions(
    params: Params, paths: Paths, folder: Path, *, inputs: Sequence[str], plugins: Plugins | None = None
) -> Questions:
    """Some rows that were judged, with the fields `inputs`. folder: the released model's."""
    plugins = plugins or installed()
    source: Source = plugins.source.build(params.get("data.source", Part), where="data.source")
    manifest = Manifest.read(paths.manifest)
    there = [name for name in inputs if name in manifest.columns]
    same = (
        paths.model.is_dir()
        and paths.predictions.exists()
        and digest_of_folder(folder) == digest_of_folder(paths.model)
    )
    table = read_rows(paths.predictions, "evaluate").slice(0, ROWS) if same else None
    chosen = manifest.rows("test")[:ROWS] if table is None else np.asarray(table["row"])
    cells = {name: manifest.cells(name) for name in there}
    rows = [{name: cells[name][row] for name in there} for row in chosen.tolist()]
    expected = [] if table is None else [_told(row) for row in table.to_pylist()]
    return Questions(rows, source.base, expected)


def check_answers(
    answers: Mapping[int, Mapping[str, Mapping[str, Any]]], expected: Sequence[Mapping[str, Any]]
) -> None:
    """Raise WrongModel where an answer is not what evaluate found of the same bytes. answers: by the row's number."""
    for number, told in enumerate(expected):
        for key, value in told.items():
            task, _, column = key.partition(":")
            found = answers.get(number, {}).get(task, {}).get(column, value)
            if found != value:
                raise WrongModel(
                    f"Row {number} of the smoke test: {task} said {found!r}, and {value!r} when it was judged."
                )


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key.partition(":")[2] in TOLD}
