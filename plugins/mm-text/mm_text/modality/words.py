"""Texts cut into pieces before they are tokenized, each with its part of speech where a tagger is named."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mm_text.modality import chinese, english
from mmcore.errors import ConfigError, listing

Segment = Literal["none", "jieba"]
Tagged = list[tuple[str, str]]
"""Pieces that put together are the text, each with its tag; an empty tag where it has none."""

HAN = r"[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
RUNS = re.compile(f"({HAN}+)")
TAGGERS: dict[str, dict[str, Callable[[str], Tagged]]] = {
    "zh": {"jieba": chinese.tagged},
    "en": {"nltk": english.tagged},
}
"""By language and name."""


@dataclass(frozen=True)
class Words:
    """How texts, of several languages each, are cut; a language is told by its script."""

    segment: Segment
    """What cuts runs of Chinese characters, which have no spaces, into words."""
    taggers: Mapping[str, str]
    """The name of the tagger for a language: {zh: jieba}; it cuts the words of that language too."""

    def __post_init__(self) -> None:
        for language, name in self.taggers.items():
            known = TAGGERS.get(language)
            if known is None or name not in known:
                there = "; ".join(f"{each}: {listing(names)}" for each, names in TAGGERS.items())
                raise ConfigError(f"the modality text has no tagger {name!r} for {language!r}. There are {there}.")

    @property
    def cuts(self) -> bool:
        """Whether there is anything to do."""
        return self.segment != "none" or bool(self.taggers)

    def __call__(self, text: str) -> Tagged:
        """The pieces of a text in order, tags as `zh/n`; nothing of the text is lost, but its Unicode form is NFC."""
        found = Tagged()
        for number, run in enumerate(RUNS.split(unicodedata.normalize("NFC", text))):
            language = "zh" if number % 2 else "en"
            tagger = self.taggers.get(language)
            if not run:
                continue
            if tagger is not None:
                found += [(piece, tag and f"{language}/{tag}") for piece, tag in TAGGERS[language][tagger](run)]
            elif language == "zh" and self.segment == "jieba":
                found += [(piece, "") for piece in chinese.words(run)]
            else:
                found.append((run, ""))
        return found

    def versions(self) -> dict[str, str]:
        """The versions of what cuts and tags here: others may cut otherwise."""
        used = {self.segment, *self.taggers.values()}
        return {name: look() for name, look in _versions() if name in used}


def _versions() -> Iterator[tuple[str, Callable[[], str]]]:
    yield "jieba", chinese.version
    yield "nltk", english.version
