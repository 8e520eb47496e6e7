"""What a row of the table is: data, recipe, what to reach."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

Floors = Callable[[Path], Mapping[str, float]]
"""The table -> scores by name."""


@dataclass(frozen=True)
class Goal:
    """A score that must be reached: a number, or a distance from what stands beside it. Neither: shown, not judged."""

    metric: str
    """As metrics.json names it; `worst:METRIC` is the worst of several runs."""
    bound: float | None = None
    better: str = "up"
    beside: Sequence[str] = ()
    """Names of floors; the bound is the best of them and `by`."""
    by: float = 0.0

    def bound_beside(self, values: Mapping[str, float]) -> float | None:
        """The number to reach. values: floors by name; None where a floor that is needed is not there."""
        if not self.beside:
            return self.bound
        known = [values[name] for name in self.beside if name in values]
        if not known:
            return None
        return (max if self.better == "up" else min)(known) + self.by

    def met(self, score: float, bound: float | None) -> bool | None:
        """None where there is nothing to judge by."""
        if bound is None:
            return None
        return score >= bound if self.better == "up" else score <= bound


@dataclass(frozen=True)
class Benchmark:
    """One trained recipe; several runs (folds, seeds, speakers left out) are one."""

    what: str
    data: ModuleType
    """The preparer."""
    table: str
    """What it writes, relative to the cache."""
    choices: tuple[str, ...]
    """`experiment=NAME`, and what else `mm compose` is told."""
    goals: tuple[Goal, ...]
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"": ()})
    """Name of a run -> choices of its own."""
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """More trainings, as many of each as there are runs; their means are shown beside it, as floors are."""
    weights: Callable[[Path], tuple[str, ...]] | None = None
    """The cache -> choices that take pretrained weights; the shortened form does without."""
    floors: Floors | None = None
    """Floors that no stage computes."""
    quick: tuple[str, ...] = ()
    """Choices of the shortened form, beside fewer rows and one epoch."""
    rows: int = 300
    """Of the shortened form."""
