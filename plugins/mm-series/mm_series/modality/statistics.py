"""Mean and deviation of each channel, file by file."""

# T = steps, C = channels

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

EPSILON = float(np.finfo(np.float64).eps)


def _nothing() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True)
class Statistics:
    """Sums over the files so far, all [C]; `squares` are of distances from the mean (Chan et al. 1983)."""

    names: tuple[str, ...] = ()
    count: np.ndarray = field(default_factory=_nothing)
    mean: np.ndarray = field(default_factory=_nothing)
    squares: np.ndarray = field(default_factory=_nothing)
    files: int = 0

    @property
    def channels(self) -> int:
        """C."""
        return len(self.mean)

    @property
    def deviation(self) -> np.ndarray:
        """[C]; 1 where a channel never changes."""
        found = np.sqrt(self.squares / np.maximum(self.count, 1))
        rounding = EPSILON * self.count * np.abs(self.mean)  # what the mean of so many equal numbers may be off by
        return np.where(np.isfinite(found) & (found > rounding), found, 1.0)

    def with_more(self, values: np.ndarray, names: tuple[str, ...]) -> Self:
        """And those of one more file, [T,C] with NaN where missing. Other names in another order are put in order."""
        if self.names and names != self.names and set(names) == set(self.names):
            values = values[:, [names.index(name) for name in self.names]]
        known = ~np.isnan(values)
        count = known.sum(0).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # numbers near 1e200: their deviation becomes 1
            mean = np.where(known, values, 0).sum(0) / np.maximum(count, 1)
            squares = (np.where(known, values - mean, 0) ** 2).sum(0)
        return self.joined(type(self)(names, count, mean, squares, 1))

    def joined(self, other: Self) -> Self:
        """And those of the other's files, with as many channels in the same order."""
        if not self.files:
            return other
        total = np.maximum(self.count + other.count, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            apart = other.mean - self.mean
            return type(self)(
                self.names or other.names,
                self.count + other.count,
                self.mean + apart * other.count / total,
                self.squares + other.squares + apart**2 * self.count * other.count / total,
                self.files + other.files,
            )

    def to_json(self) -> dict[str, Any]:
        """What `read` needs."""
        return {"names": self.names, "mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """With the same names, mean and deviation."""
        mean, deviation = np.array(found["mean"], dtype=np.float64), np.array(found["deviation"], dtype=np.float64)
        return cls(tuple(found["names"]), np.ones(len(mean)), mean, deviation**2)


def commonest(found: Iterable[Statistics]) -> Statistics:
    """Those with most files; files without names are counted to the names that most files of as many channels have."""
    by_channels = dict[int, Statistics]()
    for one in sorted(found, key=lambda statistics: (not statistics.names, -statistics.files)):
        known = by_channels.setdefault(one.channels, one)
        if known is not one and not one.names:
            by_channels[one.channels] = known.joined(one)
    return max(by_channels.values(), key=lambda statistics: statistics.files)
