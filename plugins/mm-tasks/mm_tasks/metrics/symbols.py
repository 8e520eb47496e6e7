"""Texts cut into symbols, and how many of them must change to make one text the other."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import numpy as np

Language = Literal["en", "zh"]
"""en: words and punctuation (sacrebleu's 13a). zh: Chinese characters, and words of other scripts (sacrebleu's zh)."""


def split(text: str, language: Language) -> list[str]:
    """The symbols of a text."""
    return _splitter(language)(text).split()


def edits(one: Sequence[str], other: Sequence[str]) -> int:
    """The least number of symbols to change, add or take away (Levenshtein, 1966)."""
    number = {symbol: place for place, symbol in enumerate(dict.fromkeys([*one, *other]))}
    row = np.array([number[symbol] for symbol in other], dtype=np.int64)
    steps = np.arange(len(row) + 1)
    costs = steps
    for place, symbol in enumerate(one, start=1):
        best = np.minimum(costs[1:] + 1, costs[:-1] + (row != number[symbol]))
        # Adding symbols goes from left to right: a running minimum of cost - place does it for the whole row.
        costs = np.minimum.accumulate(np.concatenate([[place], best]) - steps) + steps
    return int(costs[-1])


@cache
def _splitter(language: Language) -> Callable[[str], str]:
    """Text -> symbols with blanks between."""
    from sacrebleu.metrics import BLEU  # a second to import, for those alone who ask for it

    return BLEU(tokenize="zh" if language == "zh" else "13a").tokenizer
