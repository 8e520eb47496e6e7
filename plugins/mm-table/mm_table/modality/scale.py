"""What the training split teaches about one column of numbers, or of categories."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist, median
from typing import Any, Literal

import numpy as np

Kind = Literal["standard", "quantile"]
POINTS = 1001
"""Quantiles that are kept: the 0.1 % steps of a column."""
EDGE = 1e-7
"""Ranks end so far from 0 and 1: the smallest and the largest number become -5.2 and 5.2, as in scikit-learn."""
FARTHEST = 1e4
"""Deviations beyond which a number is cut, so that no outlier becomes infinite in half precision."""


@dataclass(frozen=True)
class Scale:
    """Numbers to about -3..3 and back."""

    mean: float = 0.0
    deviation: float = 1.0
    median: float = 0.0
    quantiles: tuple[float, ...] = ()
    """POINTS of the training split, ascending; empty where numbers are standardised."""

    @classmethod
    def of(cls, numbers: Sequence[float], kind: Kind) -> "Scale":
        """From finite numbers; where they are all alike, or there is none, the deviation is 1."""
        if not numbers:
            return cls()
        size = max(map(abs, numbers)) or 1.0  # squares of numbers near 1e200 would be infinite
        shares = [number / size for number in numbers]
        mean = math.fsum(shares) / len(shares)
        deviation = math.sqrt(math.fsum((share - mean) ** 2 for share in shares) / len(shares))
        alike = min(numbers) == max(numbers)
        points = np.quantile(numbers, np.linspace(0, 1, min(POINTS, len(numbers)))) if kind == "quantile" else []
        return cls(mean * size, 1.0 if alike else deviation * size, median(numbers), tuple(map(float, points)))

    def __call__(self, number: float) -> float:
        """A finite number as an encoder sees it."""
        if not self.quantiles:
            return min(max((number - self.mean) / self.deviation, -FARTHEST), FARTHEST)
        return NormalDist().inv_cdf(min(max(self._rank(number), EDGE), 1 - EDGE))

    def back(self, value: float) -> float:
        """About the number that became `value`."""
        if not self.quantiles:
            return value * self.deviation + self.mean
        ranks = np.linspace(0, 1, len(self.quantiles))
        return float(np.interp(NormalDist().cdf(value), ranks, self.quantiles))

    def _rank(self, number: float) -> float:
        """The share of the training split below it; the middle where many are equal to it."""
        first, after = bisect_left(self.quantiles, number), bisect_right(self.quantiles, number)
        last = len(self.quantiles) - 1
        if after > first:
            return (first + after - 1) / 2 / last if last else 0.5
        if first in (0, last + 1):
            return 0.0 if first == 0 else 1.0
        low, high = self.quantiles[first - 1], self.quantiles[first]
        return (first - 1 + (number - low) / (high - low)) / last

    def to_json(self) -> dict[str, Any]:
        """All that is needed to make it again."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Scale":
        """What `to_json` gave."""
        return cls(**{**found, "quantiles": tuple(found["quantiles"])})


def known_labels(labels: Sequence[str], *, min_count: int) -> tuple[str, ...]:
    """The categories with a number of their own, sorted: those seen often enough."""
    return tuple(sorted(label for label, count in Counter(labels).items() if count >= min_count))
