"""Which trial won, and whether it is better than what was there: trained anew, each with several seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna

from mmcore.search.rows import Row, State
from mmcore.search.storage import quiet
from mmcore.search.study import Study


@dataclass(frozen=True)
class Comparison:
    """The winner beside the settings searched from, on rows that no trial was judged by."""

    key: str
    split: str
    better: str
    """up or down."""
    winner: Mapping[int, float]
    """Seed -> score."""
    default: Mapping[int, float]
    difference: float | None = None
    """Of the means, winner less default."""
    low: float | None = None
    high: float | None = None
    """Of the difference's interval; None with one seed."""
    confidence: float = 0.95

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `open` (the interval holds zero), `same` settings, or `one` run of each."""
        if self.difference is None:
            return "same"
        if self.low is None or self.high is None:
            return "one"
        sign = 1 if self.better == "up" else -1
        low, high = sorted((sign * self.low, sign * self.high))
        return "better" if low > 0 else "worse" if high < 0 else "open"

    def sentence(self) -> str:
        """For people: what to make of it."""
        if self.verdict == "same":
            return "No trial was better than the settings that are there: they are the winner."
        assert self.difference is not None, "there is one where the settings differ"
        seeds = f"{len(self.winner)} seed{'s' * (len(self.winner) != 1)} each"
        by = f"{self.difference:+.4g} {self.key} on the {self.split} rows, {seeds}"
        if self.verdict == "one":
            return f"{by}: with one run of each, or runs that are all alike, nobody can say whether that is chance."
        by += f"; {100 * self.confidence:g} % interval {self.low:+.4g} to {self.high:+.4g}"
        return {
            "better": f"Better than the settings that were there: {by}.",
            "worse": f"Not better: worse than the settings that were there, {by}. They had better stay.",
            "open": f"Not shown to be better: {by}, which holds zero. The settings that are there may as well stay.",
        }[self.verdict]


@dataclass(frozen=True)
class Result:
    """What a search came to."""

    name: str
    why: str
    """Why it ended."""
    objectives: tuple[str, ...]
    better: tuple[str, ...]
    rows: Sequence[Row]
    winner: Row | None
    front: Sequence[Row] = ()
    """With several objectives: the trials that none beats in all of them."""
    comparison: Comparison | None = None
    experiment: str | None = None
    """The file that was written."""
    importances: Mapping[str, float] = field(default_factory=dict)
    space: Mapping[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many trials of each state; those that run again count once."""
        found = dict.fromkeys((State.COMPLETE, State.PRUNED, State.FAILED), 0)
        for row in self.rows:
            if row.state in found:
                found[row.state] += 1
        return {str(state): count for state, count in found.items()}

    def counted(self) -> str:
        """The same for people."""
        counted = ", ".join(f"{count} {state}" for state, count in self.counts().items()) + "."
        return f"{counted} Of {self.unbuilt} more no model could be built." if self.unbuilt else counted

    @property
    def unbuilt(self) -> int:
        """How many points were drawn again."""
        return sum(row.state is State.UNBUILT for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        winner = None
        if self.winner is not None and self.winner.values is not None:
            winner = {"trial": self.winner.number, "changes": dict(self.winner.changes),
                      "values": dict(zip(self.objectives, self.winner.values, strict=True))}  # fmt: skip
        compared = None
        if self.comparison is not None:
            one = self.comparison
            compared = {
                "score": one.key, "split": one.split, "better": one.better, "verdict": one.verdict,
                "difference": one.difference, "low": one.low, "high": one.high, "confidence": one.confidence,
                "winner": {str(k): v for k, v in one.winner.items()},
                "default": {str(k): v for k, v in one.default.items()},
            }  # fmt: skip
        return {
            "name": self.name, "ended": self.why, "objectives": list(self.objectives), "trials": self.counts(),
            "unbuilt": self.unbuilt, "winner": winner, "front": [row.number for row in self.front],
            "comparison": compared, "experiment": self.experiment,
        }  # fmt: skip


def best_row(study: Study, rows: Sequence[Row]) -> tuple[Row | None, list[Row]]:
    """The best trial, and the Pareto front where there are several objectives; of that, the best by the first one.

    Of equal ones the settings that are there come first, then the earlier trial.
    """
    done = [row for row in rows if row.state is State.COMPLETE and row.values is not None]
    front = list[Row]()
    if len(study.better) > 1:
        numbers = {trial.number for trial in study.optuna.best_trials}
        front = [row for row in done if row.number in numbers]
    signs = [1 if better == "up" else -1 for better in study.better]

    def merit(row: Row) -> tuple[float, ...]:
        assert row.values is not None, "complete"
        return tuple(sign * value for sign, value in zip(signs, row.values, strict=True))

    pool = front or done
    return (max(pool, key=lambda row: (merit(row), row.present, -row.number)) if pool else None), front


def importances(study: Study) -> dict[str, float]:
    """How much each setting mattered for the first objective, most first; empty where that cannot be told.

    Settings that are there in some trials alone are left out: Optuna cannot weigh them against the others.
    """
    several = len(study.better) > 1
    try:
        with quiet():
            found = optuna.importance.get_param_importances(
                study.optuna, target=(lambda trial: trial.values[0]) if several else None,
                evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
            )  # fmt: skip
    except (ValueError, RuntimeError, ZeroDivisionError):
        return {}
    return {name: float(value) for name, value in found.items() if value == value}
