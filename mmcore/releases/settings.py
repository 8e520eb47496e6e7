"""What `verdict` and `release` in params.yaml may say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from mmcore.interfaces.settings import Range


@dataclass(frozen=True)
class VerdictSettings:
    """When a new model is better than the one in use."""

    false_promotions: Annotated[float, Range(0.0001, 0.5)] = 0.05
    """The chance, over a year, that any model is promoted whose training is not better than that of the one in use."""
    looks: Annotated[int, Range(1)] = 365
    """Comparisons a year that this chance is spread over; fewer let each of them decide sooner."""
    tolerances: Mapping[str, Annotated[float, Range(0)]] = field(default_factory=dict)
    """Other scores that must not fall, as `task/metric: 0.01`: how much worse each may be."""
    slice_tolerance: Annotated[float, Range(0)] | None = 0.05
    """How much worse the watched score may be in any slice (`data.slices`); null: slices do not count."""


@dataclass(frozen=True)
class ReleaseSettings:
    """Where a better model goes."""

    enabled: bool = False
    """Release what is promoted; `python -m flows.retrain --release` does so once."""
    name: str = "model"
    """Of the artifact in dvc.yaml; part of the tags in git."""
    stage: str = "prod"
    """The name of the pointer to the model in use."""
    branch: str = "releases"
    """The branch of git that releases and looks at the test split are written to."""
    git_remote: str | None = None
    """Where the branch and the tags are pushed to, as git names it: origin; null: nowhere."""
