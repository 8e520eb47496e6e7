"""What a file of conf/search/ may say, and `mm search KEY=VALUE` likewise. No stage reads any of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from mmcore.interfaces.settings import Range

COSTS = ("parameters", "latency_ms", "train_s")
"""Objectives that no task gives: how large the model is, how long one row takes it, how long its training."""


@dataclass(frozen=True)
class SearchSettings:
    """How settings are looked for. Nothing here is part of a training's result."""

    space: Mapping[str, Any] = field(default_factory=dict)
    """Keys of params.yaml with what each may be; empty: what the chosen plugins and the training declare."""
    name: str | None = None
    """Of the study and of the experiment it ends in; null: `found_` and the name of the space or experiment."""
    sampler: Literal["grid", "random", "tpe", "gp", "cmaes", "nsga2"] = "tpe"
    pruner: Literal["auto", "none", "median", "hyperband", "wilcoxon"] = "auto"
    """auto: median for one objective, wilcoxon where folds are the steps, none for several objectives."""
    objectives: tuple[str, ...] = ()
    """`task/metric` on the validation rows, or parameters, latency_ms, train_s; empty: training.monitor."""
    seed: int = 0
    folds: Annotated[int, Range(0)] = 0
    """A trial is so many trainings, each judged on the rows that it left out; 0: one, judged on the validation rows."""
    stratify: str | None = None
    """A field whose values are spread evenly over the folds; null: by chance."""
    trials: Annotated[int, Range(1)] = 40
    minutes: Annotated[float, Range(0)] | None = None
    """After which no trial starts; those that run are let finish."""
    target: float | None = None
    """A value of the first objective at which the search has found what it was after."""
    workers: Annotated[int, Range(1)] | None = None
    """Trainings side by side; null: one for each slot of a GPU, or else CPU cores divided by training.threads."""
    gpu: Annotated[float, Range(0.01, 1)] = 1.0
    """Share of a GPU that a worker gets; 0.25 puts four on each, none of which may take more of its memory."""
    isolate: bool = False
    """Each trial in a process of its own, forked from a worker that has everything loaded."""
    storage: str | None = None
    """null: a file of the study's own. postgresql://USER@HOST/DATABASE: for workers on several machines."""
    heartbeat_s: Annotated[int, Range(1)] = 30
    """With a database: how often a trial says that it is alive. After three times as long without, it is dead."""
    patience_s: Annotated[float, Range(0)] = 300.0
    """How long a database may be away before the search ends; what runs goes on meanwhile."""
    max_failed: Annotated[int, Range(1)] = 10
    """Failed trials at which the search ends, if they are more than those that did not fail."""
    confirm: Annotated[int, Range(0)] = 3
    """Seeds with which the winner and the present settings are trained again and judged as `dvc repro` does."""
    dask: str | None = None
    """The address of a Dask scheduler whose workers run the trials; for `python -m flows.search`."""
