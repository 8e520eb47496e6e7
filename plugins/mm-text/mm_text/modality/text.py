"""The modality `text`: a text becomes the numbers of its tokens, between a beginning and an end."""

# B = samples of a batch, S = tokens of a text

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from mm_text.modality.tokenizer import SMALLEST, Kind, Specials, cut, parse, readings, ready, train
from mmcore.errors import ArtifactError, ConfigError, DataError
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown
from mmcore.interfaces.settings import Range

FILE = "tokenizer.json"


class TextModality(Modality):
    """Cells are texts; numbers are read as they are written."""

    def __init__(
        self,
        *,
        kind: Kind = "byte_bpe",
        vocabulary_size: Annotated[int, Range(SMALLEST, soft_high=50_000, log=True)] = 4000,
        max_tokens: Annotated[int, Range(3, soft_high=512, log=True)] = 64,
        lowercase: bool = False,
        tokenizer_file: str | None = None,
    ) -> None:
        """Settings: see conf/modality/text.yaml. Raises ConfigError where they contradict each other."""
        super().__init__()
        if (kind == "file") != (tokenizer_file is not None):
            raise ConfigError(
                f"the modality text takes a tokenizer_file where kind is 'file', and only there; got kind {kind!r} and "
                f"tokenizer_file {tokenizer_file!r}."
            )
        if kind == "file" and lowercase:
            raise ConfigError("lowercase cannot be set for kind 'file': whether case counts is written in the file.")
        self.kind = kind
        self.vocabulary_size = vocabulary_size
        self.max_tokens = max_tokens
        self.lowercase = lowercase
        self.tokenizer_file = tokenizer_file
        self._content: str | None = None

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Train the tokenizer, or take the one that is given, to the byte."""
        if self.tokenizer_file is None:
            texts = list(_readable(cells))
            if not texts:
                raise DataError("there is no text to learn from: the training split has none that can be read.")
            trained = train(self.kind, texts, vocabulary_size=self.vocabulary_size, lowercase=self.lowercase)
            self._take(trained.to_str(pretty=True), "the trained tokenizer")
            return
        try:
            content = Path(self.tokenizer_file).read_bytes().decode("utf-8")
            self._take(content, f"tokenizer_file {self.tokenizer_file!r}")
        except (OSError, ValueError) as error:
            raise ConfigError(f"tokenizer_file {self.tokenizer_file!r} cannot be used: {error}.") from error

    def save(self, folder: Path) -> None:
        """Write the tokenizer as the `tokenizers` library has it."""
        assert self._content is not None, "fit or load comes before save"
        (folder / FILE).write_bytes(self._content.encode("utf-8"))

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """Read what `save` wrote. Raises ArtifactError where it is not there."""
        modality = cls(**settings)
        try:
            modality._take((folder / FILE).read_bytes().decode("utf-8"), str(folder / FILE))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{folder / FILE} cannot be used ({error}): run the fit stage again.") from error
        return modality

    def facts(self) -> Mapping[str, Any]:
        """The size of the vocabulary, the special tokens, the longest text, and what each number reads as."""
        return {
            "vocabulary": len(self._readings),
            "pad": self.specials.pad,
            "bos": self.specials.bos,
            "eos": self.specials.eos,
            "unknown": self.specials.unknown,
            "max_tokens": self.max_tokens,
            "tokens": self._readings,
        }

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """A text -> int32 [S]: a beginning, at most max_tokens - 2 tokens, an end. An empty text is just those two."""
        ids = self._encode(_text(cell))[: self.max_tokens - 2]
        return np.array([self.specials.bos, *ids, self.specials.eos], dtype=np.int32)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """Texts -> long [B,S], padded on the right; the mask is None where all are there and of one length."""
        lengths = torch.tensor([0 if array is None else len(array) for array in arrays])
        longest = max(1, int(lengths.max()))
        values = np.full((len(arrays), longest), self.specials.pad, np.int64)
        for row, array in zip(values, arrays, strict=True):
            if array is not None:
                row[: len(array)] = array
        mask = torch.arange(longest) < lengths.unsqueeze(1)
        return Field(torch.from_numpy(values), lengths > 0, None if mask.all() else mask)

    def decode(self, values: Tensor) -> list[str]:
        """[B,S] -> texts, each from its beginning to its first end."""
        return [self.tokenizer.decode(cut(row, self.specials)) for row in values.tolist()]

    def show(self, array: np.ndarray) -> Shown:
        """The text, as far as the tokens hold it."""
        return "text", self.decode(torch.from_numpy(array).unsqueeze(0))[0]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, once it is fitted or loaded."""
        assert self._content is not None, "fit or load comes first"
        return self._tokenizer

    @cached_property
    def _readings(self) -> tuple[str, ...]:
        return readings(self.tokenizer)

    def _take(self, content: str, what: str) -> None:
        self._tokenizer = ready(parse(content))
        self.specials = Specials.of(self._tokenizer, what)
        self._content = content
        self.__dict__.pop("_readings", None)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _text(cell: Cell) -> str:
    """The cell as a text. Raises DataError where it is none, or holds half of a character."""
    readable = isinstance(cell, str | int) or (isinstance(cell, float) and math.isfinite(cell))
    if not readable or isinstance(cell, bool):
        raise DataError(f"a text must be a string or a number, but the cell holds {str(cell)[:80]!r}.")
    text = str(cell)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"the text {text[:80]!r} holds half of a character: {error}.") from error
    return text


def _readable(cells: Iterable[Cell]) -> Iterable[str]:
    for cell in cells:
        try:
            yield _text(cell)
        except DataError:
            continue  # the encode stage puts it into quarantine
