"""Pretrained word vectors from a text file, in the format of GloVe or of word2vec."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mmcore.errors import ConfigError, DataError

log = logging.getLogger(__name__)


def fill(table: nn.Embedding, readings: Sequence[str], path: Path) -> None:
    """Put the vector of each token that the file knows into the table; the others stay random.

    readings: what each token reads as; spaces round it do not count, and where the file has only the small letters
    those serve. Raises ConfigError where the file's vectors have another width, DataError where it cannot be read or
    knows no token.
    """
    wanted: dict[str, list[int]] = {}
    for number, reading in enumerate(readings):
        word = reading.strip()
        if word:
            wanted.setdefault(word, []).append(number)
            wanted.setdefault(word.lower(), [])
    width = table.embedding_dim
    begin = {word.partition(" ")[0] for word in wanted}
    vectors = dict[str, np.ndarray]()
    for line, start, rest in _lines(path, table):
        if start in begin:
            word, numbers = _parted(start, rest, width)
            if word in wanted:
                vectors[word] = _vector(numbers, path, line=line, width=width)
    known = 0
    with torch.no_grad():
        for word, numbers in wanted.items():
            vector = vectors.get(word, vectors.get(word.lower()))
            if vector is not None and numbers:
                table.weight[numbers] = torch.from_numpy(vector).to(table.weight)
                known += len(numbers)
    if not known:
        raise DataError("knows none of the vocabulary's tokens: is it for another language?", path=path)
    log.info("%s: vectors for %d of %d tokens", path, known, len(readings))


def _lines(path: Path, table: nn.Embedding) -> Iterator[tuple[int, str, str]]:
    """Number, what stands before the first space and the rest of each line, without the header of a word2vec file."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                word, _, rest = line.rstrip().partition(" ")
                if number == 1 and word.isdigit() and rest.isdigit():
                    _check_width(int(rest), table, path)
                    continue
                if number <= 2:
                    _check_width(len(rest.split()), table, path)
                yield number, word, rest
    except OSError as error:
        raise DataError(f"the vectors cannot be read: {error.strerror}", path=path) from error


def _check_width(width: int, table: nn.Embedding, path: Path) -> None:
    if width != table.embedding_dim:
        raise ConfigError(
            f"{path} holds vectors of {width} numbers, but embedding_width is {table.embedding_dim}. "
            f"Set embedding_width: {width}, or take another file."
        )


def _parted(start: str, rest: str, width: int) -> tuple[str, list[str]]:
    """A line's word and numbers. Words of GloVe 840B hold spaces: `at name@domain.com 0.7 0.8`."""
    numbers = rest.split()
    if len(numbers) <= width:
        return start, numbers
    more, *numbers = rest.rsplit(" ", width)
    return f"{start} {more}", numbers


def _vector(numbers: Sequence[str], path: Path, *, line: int, width: int) -> np.ndarray:
    try:
        vector = np.array(numbers, dtype=np.float32)
    except ValueError as error:
        raise DataError(f"line {line} holds something that is no number: {error}", path=path) from error
    if len(vector) != width:
        raise DataError(f"line {line} holds {len(vector)} numbers, the first lines {width}", path=path)
    return vector
