"""How far two trainings of one kind lie apart by chance: what a gain has to be held against.

The bootstrap over rows tells how sure a score is for these weights. It does not tell that another seed, or another
order of the same rows, would have given weights that are as much better. Two trainings of one kind, scored on the same
rows, differ by both at once, with a deviation of sqrt(2) s, s being that between single trainings. s is known
- from `repeats.seeds`: the scores of each night's trainings (n - 1 degrees of freedom). Once there are ENOUGH of them,
  they alone count.
- else also from the nights before: how far the gains over one and the same champion lie apart. A real step forward is
  no chance, so once there are MONTHS the median of their variances counts, and one of them may hold a step. Until then
  the larger of two: the variance, and half the mean square of successive differences (von Neumann 1941), which is too
  small where a night's training resembles that of the night before.
With one seed a night, verdicts are slower rather than wrong. benchmarks/verdicts.py shows both.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from mmcore.releases.looks import Look

ENOUGH = 10
"""Degrees of freedom."""
MONTH, MONTHS = 30, 3
"""Nights, and how many such parts there must be."""


@dataclass(frozen=True)
class Noise:
    """Between single trainings of one kind, on the same rows."""

    deviation: float
    freedom: float
    """Degrees of freedom behind it; 0: it is not known."""


def noise_of(looks: Sequence[Look], metric: str) -> Noise:
    """What is known from looks, in the order of time, at one metric."""
    # What was asked in two ways was trained once.
    known = list({look.key: look for look in looks if look.metric == metric}.values())
    freedom = float(sum(look.seeds - 1 for look in known))
    squares = sum(look.deviation**2 * (look.seeds - 1) for look in known)
    if freedom < ENOUGH:
        for variance, worth in _by_nights(_by_champion(known)):
            freedom, squares = freedom + worth, squares + worth * variance
    return Noise(math.sqrt(squares / freedom) if freedom else 0.0, freedom)


def _by_champion(looks: Iterable[Look]) -> list[list[float]]:
    """The gains over each champion that was compared with at least two models, in the order of time."""
    found = dict[str, dict[str, float]]()
    for look in looks:
        found.setdefault(look.champion, {})[look.challenger] = look.gain
    return [list(gains.values()) for gains in found.values() if len(gains) > 1]


def _by_nights(tenures: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """(variance, degrees of freedom it is worth) for parts of what is known."""
    months = [gains[at : at + MONTH] for gains in tenures for at in range(0, len(gains) - MONTH + 1, MONTH)]
    if len(months) >= MONTHS:
        # A median of variances is worth 0.64 of their mean, and lies 2 % below it.
        return [(1.02 * float(np.median(np.var(months, axis=1, ddof=1))), 0.6 * (MONTH - 1) * len(months))]
    return [
        (float(max(np.var(gains, ddof=1), np.square(np.diff(gains)).mean() / 2)), 2 / 3 * (len(gains) - 1))
        for gains in tenures
    ]


@dataclass(frozen=True)
class Chance:
    """How likely a gain is where the training is not better."""

    p: float
    needed: float
    """The gain from which on the allowed chance is kept; inf where the noise is not known."""
    by: str
    """`rows` or `trainings`: which of the two asks for more."""


def chance_of(gain: float, *, rows: float, groups: int, noise: Noise, allowed: float) -> Chance:
    """One-sided, by Student's t: against chance between rows and against chance between trainings, whichever is larger.

    rows: the deviation of the difference by the bootstrap, over so many groups of rows. allowed: in (0, 1).
    """
    tests = {
        "rows": (rows, float(groups - 1)),
        "trainings": (math.sqrt(2) * noise.deviation, noise.freedom),
    }
    p = {name: _tail(gain, *test) for name, test in tests.items()}
    needed = {name: _needed(allowed, *test) for name, test in tests.items()}
    by = max(tests, key=lambda name: (needed[name], name))
    return Chance(max(p.values()), needed[by], by)


def _tail(gain: float, deviation: float, freedom: float) -> float:
    if freedom <= 0 or not gain > 0 or not math.isfinite(gain + deviation):  # what is no number proves nothing
        return 1.0
    return float(stats.t.sf(gain / deviation, freedom)) if deviation else 0.0


def _needed(allowed: float, deviation: float, freedom: float) -> float:
    if freedom <= 0 or allowed <= 0 or not math.isfinite(deviation):
        return math.inf
    return float(stats.t.isf(allowed, freedom)) * deviation
