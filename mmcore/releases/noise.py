"""How far two trainings of one kind lie apart by chance: what a gain has to be held against.

The bootstrap over rows tells how sure a score is for these weights. It does not tell that another seed, or another
order of the same rows, would have given weights that are as much better. Two trainings of one kind, scored on the same
rows, differ by both at once, with a deviation of sqrt(2) s, s being that between single trainings. s is known
- from `repeats.seeds` of the night: the scores of its trainings (n - 1 degrees of freedom),
- from the nights before: how far the gains over one and the same champion lie apart from night to night. Half the mean
  square of successive differences (von Neumann 1941) rather than the variance, so that a trend or one real step forward
  does not pass for chance for ever; it is worth 2/3 of a degree of freedom a difference.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import stats  # type: ignore[import-untyped]

from mmcore.releases.looks import Look


@dataclass(frozen=True)
class Noise:
    """Between single trainings of one kind, on the same rows."""

    deviation: float
    freedom: float
    """Degrees of freedom behind it; 0: it is not known."""


def noise_of(looks: Sequence[Look], metric: str) -> Noise:
    """What is known from looks, in the order of time, at one metric."""
    parts = [(look.deviation**2 * (look.seeds - 1), look.seeds - 1.0) for look in looks if look.metric == metric]
    parts += _nights(looks, metric)
    freedom = sum(each for _, each in parts)
    return Noise(math.sqrt(sum(squares for squares, _ in parts) / freedom) if freedom else 0.0, freedom)


def _nights(looks: Iterable[Look], metric: str) -> list[tuple[float, float]]:
    """(sum of squares, degrees of freedom) for each step from one night to the next under one champion."""
    found, last = list[tuple[float, float]](), dict[str, Look]()
    for look in looks:
        before = last.get(look.champion)
        if look.metric == metric and before is not None and before.challenger != look.challenger:
            found.append(((look.gain - before.gain) ** 2 / 2 * 2 / 3, 2 / 3))
        if look.metric == metric:
            last[look.champion] = look
    return found


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
    if freedom <= 0 or gain <= 0:
        return 1.0
    return float(stats.t.sf(gain / deviation, freedom)) if deviation else 0.0


def _needed(allowed: float, deviation: float, freedom: float) -> float:
    if freedom <= 0 or allowed <= 0:
        return math.inf
    return float(stats.t.isf(allowed, freedom)) * deviation
