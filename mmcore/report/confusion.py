"""Which class was taken for which."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN = 24
"""Classes of a matrix that can still be read; where there are more, the most frequent ones."""
MISTAKES = 8


@dataclass(frozen=True)
class Cell:
    """One field of the matrix."""

    count: int
    share: float
    """Of the row: of those that are truly of this class."""
    right: bool


@dataclass(frozen=True)
class Mistake:
    """One class taken for another."""

    actual: str
    predicted: str
    count: int
    share: float
    """Of those that are truly of the actual class."""


@dataclass(frozen=True)
class Confusion:
    """A matrix: rows are what is true, columns what was said."""

    labels: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[int]
    """How many are truly of each class shown."""
    mistakes: Sequence[Mistake]
    """The most frequent ones, over all classes."""
    left_out: int
    """Classes that are not shown."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Confusion | None":
        """From (actual, predicted) of every row; None where there are none."""
        counts = Counter(pairs)
        if not counts:
            return None
        actual, either = Counter[str](), Counter[str]()
        for (true, said), count in counts.items():
            actual[true] += count
            either.update({true: count, said: count}) if said != true else either.update({true: count})
        everyone = sorted(either)
        shown = sorted(sorted(everyone, key=lambda label: -either[label])[:SHOWN])
        rows = [
            [Cell(counts[true, said], counts[true, said] / max(1, actual[true]), true == said) for said in shown]
            for true in shown
        ]
        wrong = sorted(((-count, pair) for pair, count in counts.items() if pair[0] != pair[1]))[:MISTAKES]
        mistakes = [Mistake(true, said, -count, -count / actual[true]) for count, (true, said) in wrong]
        return cls(shown, rows, [actual[label] for label in shown], mistakes, len(everyone) - len(shown))
