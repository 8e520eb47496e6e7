"""Texts cut into symbols, and how many of them must change to make one text the other."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import numpy as np

from mmcore.interfaces.writing import UNKNOWN

Language = Literal["en", "zh"]
"""en: words and punctuation (sacrebleu's 13a). zh: characters of Chinese, kana and emoji, words of other scripts."""

EMOJI = r"[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"
PART = rf"{EMOJI}[\ufe0f\U0001f3fb-\U0001f3ff]*"
ALONE = re.compile(
    r"([\u3040-\u30ff\u31f0-\u31ff\U0001aff0-\U0001b16f"  # kana
    r"\u4db6-\u4dbf\u9fbc-\u9fff\U00020000-\U0003ffff]"  # Chinese characters that Unicode got later
    rf"|[\U0001f1e6-\U0001f1ff]{{2}}|{PART}(?:\u200d{PART})*"  # a flag is two letters, a family several faces
    rf"|{UNKNOWN})"
)
"""Symbols that sacrebleu's zh leaves together where they stand side by side, or takes apart."""


def split(text: str, language: Language) -> list[str]:
    """The symbols of a text."""
    cut = _splitter(language)
    if language == "en":
        return cut(text).split()
    parts = enumerate(ALONE.split(text))
    return [symbol for number, part in parts for symbol in ([part] if number % 2 else cut(part).split())]


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
