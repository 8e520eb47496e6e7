"""How text is written in use."""

from dataclasses import dataclass
from typing import Annotated, get_args, get_type_hints

from mmcore.errors import ConfigError
from mmcore.interfaces.settings import Range

UNKNOWN = "\ufffd"
"""Stands in a given text for each unknown token, which answers leave out, so that none matches such a text.

It is no proof of one: half of a character reads as this sign, and a text may hold it and have a token for it."""


@dataclass(frozen=True)
class Writing:
    """Greedy by default; beams search for the likeliest text, a temperature draws one."""

    max_tokens: Annotated[int, Range(1)] = 64
    """At most so many new tokens; writing ends before at the end symbol."""
    beams: Annotated[int, Range(1)] = 1
    """Beam search over so many texts at once; 1: none."""
    length_penalty: float = 1.0
    """A finished beam is judged by log-probability / tokens ** length_penalty (Wu et al. 2016, 1609.08144, sec. 7)."""
    temperature: Annotated[float, Range(0.0)] = 0.0
    """0: always the likeliest token, whatever top_k and top_p are: those wait for a temperature, of `mm ask` say; else
    tokens are drawn from softmax(logits / temperature)."""
    top_k: Annotated[int, Range(1)] | None = None
    """Draw among the k likeliest tokens only (Fan et al. 2018, 1805.04833)."""
    top_p: Annotated[float, Range(0.0, 1.0)] | None = None
    """Draw among the likeliest tokens that together have this probability (Holtzman et al. 2019, 1904.09751)."""
    repetition_penalty: Annotated[float, Range(1.0)] = 1.0
    """Logits of tokens written before are divided by it where positive, else multiplied (Keskar et al., 1909.05858)."""
    seed: int = 0
    """What is drawn depends on this and on the row's number, not on the batch that the row is in."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Writing, include_extras=True).items():
            bounds = [mark for part in (hint, *get_args(hint)) for mark in getattr(part, "__metadata__", ())]
            for fault in filter(None, (mark.fault(getattr(self, name)) for mark in bounds)):
                raise ConfigError(f"{name} {fault}.")
        if self.beams > 1 and self.temperature > 0:
            raise ConfigError(
                f"beams: {self.beams} searches for the likeliest text, temperature: {self.temperature:g} draws one. "
                "Set beams: 1 or temperature: 0."
            )
