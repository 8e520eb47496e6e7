"""What `repeats` in params.yaml may say: trainings beside the one whose model is kept, to see how far chance goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from mmcore.interfaces.settings import Range


@dataclass(frozen=True)
class RepeatSettings:
    """One training more: with another seed, or on other rows."""

    seed: int
    fold: int | None = None
    """Which of the folds it is judged on, counted from 0; null: the same rows as the model that is kept."""
    folds: int = 0
    """How many folds there are."""
    stratify: str | None = None


@dataclass(frozen=True)
class RepeatsSettings:
    """How often a training is repeated; DVC runs the repeats beside each other, each in a folder of its own."""

    seeds: Annotated[int, Range(1)] = 1
    """Trainings on the same rows with one seed after another, the model that is kept being the first of them."""
    folds: Annotated[int, Range(0)] = 0
    """Trainings that leave out one part of the training and validation rows each, and are judged on it; 0: none.
    What a modality learns (tokenizer, mean) it learns anew for each from the rows that are left."""
    stratify: str | None = None
    """A field whose values are spread evenly over the folds; null: by chance."""
    runs: Mapping[str, RepeatSettings] = field(default_factory=dict)
    """Each repeat by name; written by `mm compose`."""
    summary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`seeds` and `folds`, where there are any: the repeats behind each; written by `mm compose`."""


def planned(seeds: int, folds: int, *, stratify: str | None, seed: int) -> dict[str, Any]:
    """`runs` and `summary` for so many seeds and folds, as YAML has them."""
    by_seed = {f"seed-{seed + n}": {"seed": seed + n, "fold": None, "folds": 0, "stratify": None} for n in range(seeds)}
    del by_seed[f"seed-{seed}"]  # the model that is kept
    by_fold = {f"fold-{n + 1}": {"seed": seed, "fold": n, "folds": folds, "stratify": stratify} for n in range(folds)}
    summary = {name: sorted(runs) for name, runs in (("seeds", by_seed), ("folds", by_fold)) if runs}
    return {"runs": {**by_seed, **by_fold}, "summary": summary}
