"""Chinese words and their parts of speech, by jieba; it is imported when the first text is cut."""

import logging
import warnings
from functools import cache
from importlib.metadata import version as version_of
from typing import Any

from mmcore.errors import SetupError


def words(text: str) -> list[str]:
    """The words of a text in order; put together they are the text. Raises SetupError where jieba is missing."""
    return list(_cutter().lcut(text))


def tagged(text: str) -> list[tuple[str, str]]:
    """The words of a text with their parts of speech (n, v, ns, ..), as jieba.posseg has them."""
    return [(pair.word, pair.flag) for pair in _tagger().cut(text)]


def version() -> str:
    """Of the library. Raises SetupError where it is missing."""
    _library()
    return version_of("jieba")


@cache
def _library() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its strings and its way to find its own files are of an older Python
            import jieba
            import jieba.posseg
    except ImportError as error:
        raise SetupError(
            "Chinese words are cut and tagged by jieba, which is not installed. Run: pip install 'mm-text[chinese]'"
        ) from error
    jieba.setLogLevel(logging.WARNING)
    return jieba


@cache
def _cutter() -> Any:
    """Filled from the dictionary itself: jieba's own way leaves a cache in the folder for temporary files, and trusts
    whatever lies there under that name.
    """
    cutter = _library().Tokenizer()
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    return cutter


@cache
def _tagger() -> Any:
    return _library().posseg.POSTokenizer(_cutter())
