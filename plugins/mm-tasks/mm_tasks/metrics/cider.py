"""CIDEr-D: consensus of a caption with several others.

Vedantam, Zitnick and Parikh, CIDEr: Consensus-based Image Description Evaluation, 2015 (1411.5726), sections 3 and 6.1.
"""

import math
from collections import Counter
from collections.abc import Sequence

LONGEST = 4
"""n-grams of one to four words."""
SIGMA = 6.0
"""Of the penalty on a difference in length, in words."""
SCALE = 10.0

Words = Sequence[str]
Vector = dict[tuple[str, ...], float]


class CiderD:
    """Knows from the references of all pictures which n-grams are rare."""

    def __init__(self, references: Sequence[Sequence[Words]]) -> None:
        """references: for each picture its captions."""
        self.pictures = len(references)
        self.seen = Counter[tuple[str, ...]]()
        for captions in references:
            self.seen.update(
                {gram for words in captions for length in range(1, LONGEST + 1) for gram in _grams(words, length)}
            )

    def score(self, words: Words, references: Sequence[Words]) -> float:
        """The mean over references and lengths of n-grams of the likeness, times 10."""
        each = [self._like(words, reference, length) for reference in references for length in range(1, LONGEST + 1)]
        return SCALE * sum(each) / len(each)

    def _like(self, words: Words, reference: Words, length: int) -> float:
        """cos of two vectors, where no n-gram of `words` may count for more than it does in the reference."""
        said, true = self._vector(words, length), self._vector(reference, length)
        sizes = _size(said) * _size(true)
        if not sizes:
            return 0.0
        shared = sum(min(weight, true[gram]) * true[gram] for gram, weight in said.items() if gram in true)
        return shared / sizes * math.exp(-((len(words) - len(reference)) ** 2) / (2 * SIGMA**2))

    def _vector(self, words: Words, length: int) -> Vector:
        """How often each n-gram stands there, times the log of how rare it is."""
        counts = Counter(_grams(words, length))
        return {gram: count * math.log(self.pictures / max(1, self.seen[gram])) for gram, count in counts.items()}


def _grams(words: Words, length: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]


def _size(vector: Vector) -> float:
    return math.sqrt(sum(weight**2 for weight in vector.values()))
