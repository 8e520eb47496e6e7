"""The floor for poems: an interpolated trigram of characters that knows the form of the tune.

Chen & Goodman 1999, "An empirical study of smoothing techniques": absolute discounting, interpolated (section 2.7).
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path

END, UNKNOWN = "\0end", "\0unknown"
MARKS = frozenset("，。、？！；：“”‘’《》 ")
"""What a tune's form decides: where a line or a half of it ends, and where the poem does."""
LETTER = "\0letter"
DISCOUNT = 0.75


class Discounted:
    """P(next | contexts from the narrowest to the widest): counts less a discount, the rest to the wider context."""

    def __init__(self, discount: float = DISCOUNT) -> None:
        self._discount = discount
        self._counts: dict[Hashable, Counter[str]] = defaultdict(Counter)
        self._totals = Counter[Hashable]()

    def learn(self, contexts: Sequence[Hashable], symbol: str) -> None:
        """Count `symbol` in each of the contexts."""
        for context in contexts:
            self._counts[context][symbol] += 1
            self._totals[context] += 1

    def probability(self, contexts: Sequence[Hashable], symbol: str, *, base: float) -> float:
        """base: the probability where no context knows anything; a context never seen says nothing."""
        found = base
        for context in reversed(contexts):
            total = self._totals[context]
            if total:
                counts = self._counts[context]
                left = self._discount * len(counts) / total
                found = max(counts[symbol] - self._discount, 0.0) / total + left * found
        return found


class Trigram:
    """First whether a mark, the end or a letter comes, then which letter."""

    def __init__(self, *, knows_form: bool = True) -> None:
        """knows_form: a mark is told from the tune and how far the poem is, too; else from the line and letters."""
        self._knows_form = knows_form
        self._kinds = Discounted(0.5)
        self._letters = Discounted()
        self._known: frozenset[str] = frozenset()

    def fit(self, songs: Iterable[Mapping[str, str]]) -> "Trigram":
        """songs: rows with `tune` and `text` (what is given, a line break, what is to be written)."""
        songs = list(songs)
        seen = Counter(letter for song in songs for letter in song["text"])
        # What is seen once stands for what will never have been seen.
        self._known = frozenset(letter for letter, count in seen.items() if count > 1)
        for song in songs:
            for symbol, kinds, letters, _ in self._walk(song):
                self._kinds.learn(kinds, _kind(symbol))
                if _kind(symbol) == LETTER:
                    self._letters.learn(letters, symbol)
        return self

    def bits(self, songs: Iterable[Mapping[str, str]]) -> list[tuple[float, int]]:
        """For each song the bits of what is to be written, its end counted, and how many symbols that is."""
        base = 1 / (len(self._known - MARKS) + 1)
        found = list[tuple[float, int]]()
        for song in songs:
            bits, symbols = 0.0, 0
            for symbol, kinds, letters, scored in self._walk(song):
                if scored:
                    kind = _kind(symbol)
                    p = self._kinds.probability(kinds, kind, base=1 / (len(MARKS) + 2))
                    if kind == LETTER:
                        p *= self._letters.probability(letters, symbol, base=base)
                    bits, symbols = bits - math.log2(p), symbols + 1
            found.append((bits, symbols))
        return found

    def _walk(self, song: Mapping[str, str]) -> Iterable[tuple[str, list[Hashable], list[Hashable], bool]]:
        """Symbol, contexts of its kind, contexts of its letter, and whether it is scored: the given part is not."""
        given, _, rest = song["text"].partition("\n")
        line = given.removeprefix(song["tune"]).removeprefix("：")
        before, last, since, place = "", "", 0, 0
        for symbol in [*line, *rest, END]:
            symbol = symbol if symbol in self._known or symbol == END else UNKNOWN
            kinds: list[Hashable] = [("k", since, last, before[-1:]), ("k", since, last), ("k", since)]
            if self._knows_form:
                form: Hashable = song["tune"]
                kinds = [("f", form, place, since), ("f", form, since, last), *kinds[1:]]
            letters: list[Hashable] = [("3", before[-2:]), ("2", before[-1:]), ("1",)]
            yield symbol, kinds, letters, place >= len(line)
            before, place = (before + (symbol if len(symbol) == 1 else "?"))[-2:], place + 1
            last, since = (symbol, 0) if symbol in MARKS else (last, since + 1)


def _kind(symbol: str) -> str:
    return symbol if symbol in MARKS or symbol == END else LETTER


def measure(path: Path, *, knows_form: bool = True) -> float:
    """Bits a character on the test rows of a table of poems, learned from its training rows."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    model = Trigram(knows_form=knows_form).fit(row for row in rows if row["split"] == "train")
    found = model.bits(row for row in rows if row["split"] == "test")
    return sum(bits for bits, _ in found) / sum(symbols for _, symbols in found)
