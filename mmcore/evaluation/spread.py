"""Scores of several trainings of one kind: their mean, and how sure it is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """One score over several runs."""

    mean: float
    low: float
    high: float
    """Student's t interval of the mean, cut to 0 and 1 for a share; with one run the same number three times."""
    deviation: float
    """Between single runs (n - 1)."""
    least: float
    most: float
    runs: int


def over_seeds(
    scores: Mapping[str, Scores], *, confidence: float, shares: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """Each score over runs that differ by chance alone.

    scores: run -> `task/metric` -> number. shares: those of them that lie between 0 and 1.
    """
    return {key: asdict(_spread(_column(scores, key), None, confidence, key in shares)) for key in _keys(scores)}


def over_folds(
    scores: Mapping[str, Scores], rows: Mapping[str, int], *, confidence: float, shares: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """Each score over folds, each counting by its rows: for a mean over rows, the score of all folds pooled.

    Folds share training rows, so the interval is somewhat too narrow (Bengio and Grandvalet 2004: there is no
    unbiased one).
    """
    weights = np.array([rows[name] for name in scores], dtype=float)
    return {key: asdict(_spread(_column(scores, key), weights, confidence, key in shares)) for key in _keys(scores)}


def _keys(scores: Mapping[str, Scores]) -> list[str]:
    return sorted(set.intersection(*(set(found) for found in scores.values())))


def _column(scores: Mapping[str, Scores], key: str) -> np.ndarray:
    return np.array([found[key] for found in scores.values()])


def _spread(values: np.ndarray, weights: np.ndarray | None, confidence: float, share: bool) -> Spread:
    mean, count = float(np.average(values, weights=weights)), len(values)
    deviation = float(values.std(ddof=1)) if count > 1 else 0.0
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * deviation / count**0.5 if count > 1 else 0.0
    low, high = mean - half, mean + half
    if share:  # Student's t knows no bounds; no mean of shares lies beyond theirs
        low, high = max(low, 0.0), min(high, 1.0)
    return Spread(mean, low, high, deviation, float(values.min()), float(values.max()), count)


def difference(
    ours: Sequence[float], theirs: Sequence[float], *, confidence: float
) -> tuple[float, float, float] | None:
    """Difference of two means with its interval (Welch's t: the two may vary by different amounts).

    None where one of them has fewer than two runs, or where none differs from another: few rows give the same score by
    chance. What the interval covers is the chance between runs, not the choice of rows.
    """
    one, other = np.array(ours), np.array(theirs)
    if min(len(one), len(other)) < 2:
        return None
    parts = np.array([values.var(ddof=1) / len(values) for values in (one, other)])
    if not parts.sum():
        return None
    freedom = parts.sum() ** 2 / sum(part**2 / (len(v) - 1) for part, v in zip(parts, (one, other), strict=True))
    half = float(stats.t.ppf((1 + confidence) / 2, freedom) * parts.sum() ** 0.5)
    found = float(one.mean() - other.mean())
    return found, found - half, found + half
