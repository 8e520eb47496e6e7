"""How far two trainings of one kind lie apart by chance: what a gain has to be held against.

The bootstrap over rows tells how sure a score is for these weights. It does not tell that another seed, or another
order of the same rows, would have given weights that are as much better. Two trainings of one kind, scored on the same
rows, differ by both at once, with a deviation of sqrt(2) s, s being that between single trainings. s is known
- from `repeats.seeds`: the scores of each night's trainings (n - 1 degrees of freedom). Once there are ENOUGH of them,
  they alone count.
- else also from the nights before: how far the gains over one and the same champion lie apart. Their variance takes a
  real step forward for chance, and half the mean square of successive differences (von Neumann 1941, worth 2/3 of a
  degree of freedom each) is too small where a night's training resembles that of the night before. So the larger of
  the two: with one seed a night, verdicts are slower rather than wrong.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import stats  # type: ignore[import-untyped]

from mmcore.releases.looks import Look

ENOUGH = 10
"""Degrees of freedom."""


@dataclass(frozen=True)
class Noise:
    """Between single trainings of one kind, on the same rows."""

    deviation: float
    freedom: float
    """Degrees of freedom behind it; 0: it is not known."""


def noise_of(looks: Sequence[Look], metric: str) -> Noise:
    """What is known from looks, in the order of time, at one metric."""
    known = [look for look in looks if look.metric == metric]
    freedom = float(sum(look.seeds - 1 for look in known))
    squares = sum(look.deviation**2 * (look.seeds - 1) for look in known)
    if freedom < ENOUGH:
        for gains in _by_champion(known):
            steps = len(gains) - 1
            variance = max(statistics.variance(gains), _successive(gains) / (2 * steps))
            freedom, squares = freedom + 2 / 3 * steps, squares + 2 / 3 * steps * variance
    return Noise(math.sqrt(squares / freedom) if freedom else 0.0, freedom)


def _by_champion(looks: Iterable[Look]) -> list[list[float]]:
    """The gains over each champion that was compared with at least two models, in the order of time."""
    found = dict[str, dict[str, float]]()
    for look in looks:
        found.setdefault(look.champion, {})[look.challenger] = look.gain
    return [list(gains.values()) for gains in found.values() if len(gains) > 1]


def _successive(gains: Sequence[float]) -> float:
    """The sum of squared steps."""
    return sum((after - before) ** 2 for before, after in itertools.pairwise(gains))


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
