"""Answers to look at: which ones."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcore.report.pieces import Shown


@dataclass(frozen=True)
class Example:
    """One row with what the model said about it."""

    id: str
    inputs: Mapping[str, Shown | None]
    """None where the row lacks the field."""
    predicted: str | None
    """None where the task says nothing that can be read: vectors."""
    actual: str | None
    confidence: float | None = None
    """The probability of what was predicted, where the task gives one."""
    right: bool | None = None
    """None where an answer is more or less good, not right or wrong."""


@dataclass(frozen=True)
class Gallery:
    """Examples of one sort."""

    title: str
    note: str
    examples: Sequence[Example]


@dataclass(frozen=True)
class Choice:
    """Rows of one sort, before anything about them was read."""

    title: str
    note: str
    rows: np.ndarray
    right: bool | None = None
    """Whether these answers are right; None where they are more or less good."""


def choose(
    scores: np.ndarray | None,
    *,
    ids: Sequence[str],
    groups: Sequence[Any],
    confidence: np.ndarray | None,
    better: str,
    count: int,
) -> list[Choice]:
    """Which rows to show: right and wrong ones, or the best and the worst, or any.

    scores: one number a row, 1 and 0 where answers are right or wrong; None where the metric has none for single rows.
    ids: decide which of equals are shown, so that the same data gives the same page. groups: at most one row of each is
    shown while there are others. confidence: puts the surest mistakes first.
    """
    order = np.array(sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest()), dtype=int)
    if scores is None:
        return [Choice("Answers", "Drawn at random.", _spread(order, groups, count))]
    scores = np.asarray(scores, dtype=float)
    if not np.isin(scores, (0.0, 1.0)).all():
        ranked = order[np.argsort(scores[order] if better == "down" else -scores[order], kind="stable")]
        middle = (len(ranked) + 1) // 2  # no answer is both among the best and among the worst
        return [
            Choice("Best answers", "The closest ones.", _spread(ranked[:middle], groups, count)),
            Choice("Worst answers", "The farthest off.", _spread(ranked[middle:][::-1], groups, count)),
        ]
    right, wrong = order[scores[order] == 1], order[scores[order] == 0]
    note = "Drawn at random."
    if confidence is not None:
        wrong, note = wrong[np.argsort(-confidence[wrong], kind="stable")], "The surest ones first."
    wrong_title = f"Wrong answers ({len(wrong):,} of {len(order):,})"
    return [
        Choice(wrong_title, note, _spread(wrong, groups, count), right=False),
        Choice(f"Right answers ({len(right):,})", "Drawn at random.", _spread(right, groups, count), right=True),
    ]


def _spread(rows: np.ndarray, groups: Sequence[Any], count: int) -> np.ndarray:
    """The first `count` rows, those first whose group was not seen yet."""
    seen = set[Any]()
    first, again = list[int](), list[int]()
    for row in rows.tolist():
        (again if groups[row] in seen else first).append(row)
        seen.add(groups[row])
        if len(first) == count:
            break
    return np.array([*first, *again][:count], dtype=int)
