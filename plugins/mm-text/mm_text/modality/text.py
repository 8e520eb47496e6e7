"""The modality `text`: a text becomes the numbers of its tokens, between a beginning and an end."""

# B = samples of a batch, S = tokens of a text

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from mm_text.modality.cells import readable, text_of
from mm_text.modality.tokenizer import SMALLEST, Kind, Specials, cut, marked, parse, readings, ready, train
from mm_text.modality.words import Segment, Tagged, Words
from mmcore.errors import ArtifactError, ConfigError, DataError
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown
from mmcore.interfaces.settings import Range

FILE = "tokenizer.json"
LEARNED = "text.json"


class TextModality(Modality):
    """Cells are texts; numbers are read as they are written.

    What `read` gives holds more than tokens: a number below 0 is the token -1 - number of a prompt, and where there are
    tags, a token of tag t stands there as token + t * vocabulary. `collate` makes `Field.scored` of the first; the
    encoders of this package take the second apart, and a text that some task writes has no tags.
    """

    numbered = ("tokens",)
    corruptions = ("masked",)

    def __init__(
        self,
        *,
        kind: Kind = "byte_bpe",
        vocabulary_size: Annotated[int, Range(5, soft_high=50_000, log=True)] = 4000,
        max_tokens: Annotated[int, Range(3, soft_high=512, log=True)] = 64,
        lowercase: bool = False,
        tokenizer_file: str | None = None,
        segment: Segment = "none",
        taggers: Mapping[str, str] = {},
        prompt_ends: str | None = None,
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
        if kind == "byte_bpe" and vocabulary_size < SMALLEST:
            raise ConfigError(
                f"vocabulary_size must be at least {SMALLEST} for kind 'byte_bpe', which starts from every byte, but "
                f"is {vocabulary_size}. For fewer, choose kind 'character'."
            )
        if prompt_ends == "":
            raise ConfigError("prompt_ends is empty: name the text that ends a prompt, or set null for no prompts.")
        self.kind = kind
        self.vocabulary_size = vocabulary_size
        self.max_tokens = max_tokens
        self.lowercase = lowercase
        self.tokenizer_file = tokenizer_file
        self.words = Words(segment, dict(taggers))
        self.prompt_ends = prompt_ends
        self.tags: tuple[str, ...] = ()
        self.truncated = 0.0
        self._content: str | None = None

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Train the tokenizer, or take the one that is given, to the byte; count the texts that are too long for it.

        Raises SetupError where what cuts or tags words is not installed.
        """
        self.words.versions()
        texts = list(readable(cells))
        if self.tokenizer_file is not None:
            self._copy(self.tokenizer_file)
        elif not texts:
            raise DataError("there is no text to learn from: the training split has none that can be read.")
        parted = [self._parted(text) for text in texts]
        pieces = [piece for parts in parted for part in parts for piece in part]
        if self.words.taggers:
            self.tags = ("", *sorted({tag for _, tag in pieces if tag}))
        if self.tokenizer_file is None:
            trained = train(
                self.kind,
                (piece for piece, _ in pieces),
                vocabulary_size=self.vocabulary_size,
                lowercase=self.lowercase,
                pieces=self.words.cuts or self.prompt_ends is not None,
            )
            self._take(trained.to_str(pretty=True), "the trained tokenizer")
        long = sum(sum(len(self._encode(part)) for part in parts) > self.max_tokens - 2 for parts in parted)
        self.truncated = round(long / max(1, len(texts)), 6)

    def save(self, folder: Path) -> None:
        """Write the tokenizer as the `tokenizers` library has it, and what else was learned beside it."""
        assert self._content is not None, "fit or load comes before save"
        (folder / FILE).write_bytes(self._content.encode("utf-8"))
        learned = {"tags": self.tags, "truncated": self.truncated, "versions": self.words.versions()}
        (folder / LEARNED).write_text(json.dumps(learned, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """Read what `save` wrote. Raises ArtifactError where it is not there, or words would now be cut otherwise."""
        modality = cls(**settings)
        file = folder / FILE
        try:
            modality._take(file.read_bytes().decode("utf-8"), str(file))
            file = folder / LEARNED
            learned = json.loads(file.read_text(encoding="utf-8"))
            modality.tags, modality.truncated = tuple(learned["tags"]), float(learned["truncated"])
            before = learned["versions"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{file} cannot be used ({error}): run the fit stage again.") from error
        now = modality.words.versions()
        if before != now:
            raise ArtifactError(
                f"{folder} was fitted with {before}, but {now} is installed, which may cut words otherwise. Install "
                "the former, or run the fit stage again."
            )
        return modality

    def facts(self) -> Mapping[str, Any]:
        """The size of the vocabulary, the special tokens, the longest text, and what each number reads as.

        tags: parts of speech in the order of their numbers, the first being none; empty where nothing is tagged.
        truncated: the share of the training texts that were cut off.
        """
        return {
            "vocabulary": len(self._readings),
            "pad": self.specials.pad,
            "bos": self.specials.bos,
            "eos": self.specials.eos,
            "unknown": self.specials.unknown,
            "max_tokens": self.max_tokens,
            "tokens": self._readings,
            "tags": self.tags,
            "truncated": self.truncated,
        }

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """A text -> int32 [S]: a beginning, at most max_tokens - 2 tokens, an end. An empty text is just those two.

        Raises DataError for what is no text, and where of what follows a prompt nothing would be left.
        """
        begun = self._begun(cell)
        kept = begun[: self.max_tokens - 1]
        if max(kept) < 0 <= begun[-1]:
            raise DataError(
                f"the prompt of {str(cell)[:80]!r} leaves no room for what follows within max_tokens "
                f"({self.max_tokens}): raise it."
            )
        return np.array([*kept, self.specials.eos], dtype=np.int32)

    def prompt(self, cell: Cell, base: Path) -> np.ndarray:
        """A text that is to be written on -> int32 [S]: as `read`, but whole and without an end."""
        return np.array(self._begun(cell), dtype=np.int32)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """Texts -> long [B,S], padded on the right; the mask is None where all are there and of one length.

        Where there are prompts, `scored` is False for them, for the beginning and for padding.
        """
        lengths = torch.tensor([0 if array is None else len(array) for array in arrays])
        longest = max(1, int(lengths.max()))
        stored = np.full((len(arrays), longest), self.specials.pad, np.int64)
        for row, array in zip(stored, arrays, strict=True):
            if array is not None:
                row[: len(array)] = array
        mask = torch.arange(longest) < lengths.unsqueeze(1)
        values = torch.from_numpy(_tokens_of(stored))
        scored = None if self.prompt_ends is None else mask & torch.from_numpy(stored >= 0)
        return Field(values, lengths > 0, None if mask.all() else mask, scored)

    def corrupt(self, field: Field, kind: str, *, strength: float, generator: torch.Generator) -> Field:
        """masked: of the tokens between beginning and end such a share, chosen at random, becomes unknown."""
        assert kind == "masked", f"there is no damage {kind!r}"
        values, special = field.values, self.specials
        inside = (values != special.bos) & (values != special.eos) & (values != special.pad)
        chosen = torch.rand(values.shape, generator=generator).to(values.device) < strength
        return field.with_values(torch.where(inside & chosen, special.unknown, values))

    def decode(self, values: Tensor) -> list[str]:
        """[B,S] -> texts, each from its beginning to its first end."""
        rows = (values % len(self._readings)).tolist()
        return [self.tokenizer.decode(cut(row, self.specials)) for row in rows]

    def decode_marked(self, values: Tensor) -> list[str]:
        """As `decode`, with UNKNOWN where a token stands for what has none."""
        rows = (values % len(self._readings)).tolist()
        return [marked(self.tokenizer, cut(row, self.specials), self.specials.unknown) for row in rows]

    def show(self, array: np.ndarray) -> Shown:
        """The text, as far as the tokens hold it."""
        return "text", self.decode(torch.from_numpy(_tokens_of(array)).unsqueeze(0))[0]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, once it is fitted or loaded."""
        assert self._content is not None, "fit or load comes first"
        return self._tokenizer

    @cached_property
    def _readings(self) -> tuple[str, ...]:
        return readings(self.tokenizer)

    @cached_property
    def _enough(self) -> int:
        """Characters that hold more tokens than are kept; what follows need not be cut into tokens at all."""
        return 2 * self.max_tokens * max(1, *(len(reading) for reading in self._readings))

    def _copy(self, path: str) -> None:
        try:
            self._take(Path(path).read_bytes().decode("utf-8"), f"tokenizer_file {path!r}")
        except (OSError, ValueError) as error:
            raise ConfigError(f"tokenizer_file {path!r} cannot be used: {error}.") from error

    def _take(self, content: str, what: str) -> None:
        self._tokenizer = ready(parse(content))
        self.specials = Specials.of(self._tokenizer, what)
        self._content = content
        self.__dict__.pop("_readings", None)
        self.__dict__.pop("_enough", None)

    def _begun(self, cell: Cell) -> list[int]:
        """A beginning and every token, those of the prompt and the beginning before it below 0."""
        bos = self.specials.bos
        prompt, rest = (self._encode(part) for part in self._parted(text_of(cell), longest=self._enough))
        return [bos if self.prompt_ends is None else -1 - bos, *(-1 - number for number in prompt), *rest]

    def _parted(self, text: str, *, longest: int | None = None) -> tuple[Tagged, Tagged]:
        """The pieces of the prompt and of the rest: no token reaches from the one into the other.

        longest: characters of each that are looked at.
        """
        prompt, rest = "", text
        if self.prompt_ends is not None and self.prompt_ends in text:
            before, ends, rest = text.partition(self.prompt_ends)
            prompt = before + ends
        cut_up = self.words if self.words.cuts else _whole
        return cut_up(prompt[:longest]), cut_up(rest[:longest])

    def _encode(self, pieces: Tagged) -> list[int]:
        words = [piece for piece, _ in pieces]
        found = self.tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
        # Among the pieces of a unigram are the special tokens: where a text says "<eos>", it must not end.
        kept_back = {self.specials.pad, self.specials.bos, self.specials.eos}
        ids = [self.specials.unknown if number in kept_back else number for number in found.ids]
        if not self.tags:
            return ids
        numbers = {tag: number * len(self._readings) for number, tag in enumerate(self.tags)}
        tags = [numbers.get(tag, 0) for _, tag in pieces]
        return [token + tags[word] for token, word in zip(ids, found.word_ids, strict=True)]


def _whole(text: str) -> Tagged:
    return [(text, "")] if text else []


def _tokens_of(stored: np.ndarray) -> np.ndarray:
    """Tokens as `read` stores them -> tokens as encoders take them."""
    return np.where(stored < 0, -1 - stored, stored)
