"""English words and their parts of speech, by NLTK; it is imported when the first text is tagged."""

import re
from functools import cache
from importlib.metadata import version as version_of
from typing import Any

from mmcore.errors import SetupError

PIECES = re.compile(r" ?[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\s+|[^\w\s]|[\w]")
"""Words with the space before them, as byte-level tokenizers cut; stretches of space; single signs."""


def tagged(text: str) -> list[tuple[str, str]]:
    """The words of a text with their parts of speech (NN, VB, ..: Penn Treebank); space has none.

    Raises SetupError where NLTK or its model is missing.
    """
    pieces = PIECES.findall(text)
    places = [number for number, piece in enumerate(pieces) if piece.strip()]
    tags = [""] * len(pieces)
    for place, (_, tag) in zip(places, _tagger().tag([pieces[place].strip() for place in places]), strict=True):
        tags[place] = tag
    return list(zip(pieces, tags, strict=True))


def version() -> str:
    """Of the library. Raises SetupError where it is missing."""
    _tagger()
    return version_of("nltk")


@cache
def _tagger() -> Any:
    try:
        from nltk.tag.perceptron import PerceptronTagger

        return PerceptronTagger()
    except (ImportError, LookupError) as error:
        raise SetupError(
            "English words are tagged by NLTK, which or whose model is not installed. Run: pip install nltk && "
            "python -m nltk.downloader averaged_perceptron_tagger_eng"
        ) from error
