"""The modality `conversation`: questions and answers by a model's own tokenizer and chat template."""

# B = samples of a batch, S = tokens of a conversation

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
from torch import Tensor

from mm_huggingface.conversation.template import Piece, Template, read_template
from mm_huggingface.conversation.tokens import Vocabulary
from mm_huggingface.conversation.turns import Turn, is_conversation, turns_of
from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown
from mmcore.interfaces.settings import Range

TRIAL: list[Turn] = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]


class Conversation(Modality):
    """Cells are lists of turns as JSON, or plain texts, which are all answer: captions.

    In what `read` gives a number below 0 is the token -1 - number of what is given and not scored.
    """

    passes_for = "text"
    numbered = ("tokens",)
    talks = True

    def __init__(
        self,
        *,
        model: str,
        max_tokens: Annotated[int, Range(3, soft_high=4096, log=True)] = 512,
        template: str | None = None,
    ) -> None:
        """Settings: see conf/modality/conversation.yaml."""
        super().__init__()
        self.model = model
        self.max_tokens = max_tokens
        self.named_template = template
        self._vocabulary: Vocabulary | None = None

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Copy the model's tokenizer and template.

        Raises SetupError where the model is not on this machine, ConfigError where it has no template and a
        conversation needs one.
        """
        found = Vocabulary.of(self.model)
        if self.named_template is not None:
            found = Vocabulary(found.content, found.specials, read_template(self.named_template))
        self._vocabulary = found
        if found.template is not None:
            self._template.pieces(TRIAL)
        elif any(is_conversation(cell) for cell in cells):
            raise ConfigError(
                f"the model {self.model!r} has no chat template. Set the modality's template: vicuna, or the path of a "
                "Jinja file."
            )

    def save(self, folder: Path) -> None:
        """Write the tokenizer, its special tokens and the template."""
        self.vocabulary.save(folder)

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """Read what `save` wrote; the model need not be on this machine."""
        modality = cls(**settings)
        modality._vocabulary = Vocabulary.load(folder)
        return modality

    def facts(self) -> Mapping[str, Any]:
        """As of the modality text; eos is what ends an answer in the template."""
        found = self.vocabulary
        return {
            "vocabulary": found.size,
            "pad": found.number("pad"),
            "bos": self._begin,
            "eos": self._end,
            "unknown": found.number("unknown"),
            "max_tokens": self.max_tokens,
            "tokens": found.readings,
            "tags": (),
        }

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """A conversation that ends with an answer, or a plain text -> int32 [S], cut after max_tokens.

        Raises DataError for other conversations, and where the first answer begins only behind the cut.
        """
        if not is_conversation(cell):
            text = self.vocabulary.cut_plain(_plain(cell))[: self.max_tokens - 2]
            return np.array([-1 - self._begin, *text, self._end], dtype=np.int32)
        turns = self._turns(cell)
        if turns[-1][0] != "assistant":
            raise DataError(f"the conversation {str(cell)[:80]!r} ends with a question: there is no answer to learn.")
        kept = self._marked(self._template.pieces(turns))[: self.max_tokens]
        if all(token < 0 for token in kept):
            raise DataError(
                f"the conversation {str(cell)[:80]!r} has no answer within max_tokens ({self.max_tokens}): raise it."
            )
        return np.array(kept, dtype=np.int32)

    def prompt(self, cell: Cell, base: Path) -> np.ndarray:
        """A conversation that ends with a question -> int32 [S]; where there is a template, a plain text is a question.

        Raises DataError where there is nothing to answer.
        """
        if self.vocabulary.template is None:
            text = [self._begin, *self.vocabulary.cut_plain(_plain(cell))]
            return np.array([-1 - token for token in text], dtype=np.int32)
        turns = self._turns(cell) if is_conversation(cell) else [("user", _plain(cell))]
        self.vocabulary.check_plain(text for _, text in turns)
        if turns[-1][0] != "user":
            raise DataError(f"the conversation {str(cell)[:80]!r} ends with an answer: there is nothing to answer.")
        return np.array([-1 - token for token in self.vocabulary.cut(self._template.asked(turns))], dtype=np.int32)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """Long [B,S], padded on the right; scored: the answers and what ends them."""
        lengths = torch.tensor([0 if array is None else len(array) for array in arrays])
        longest = max(1, int(lengths.max()))
        stored = np.full((len(arrays), longest), self.vocabulary.number("pad"), np.int64)
        for row, array in zip(stored, arrays, strict=True):
            if array is not None:
                row[: len(array)] = array
        mask = torch.arange(longest) < lengths.unsqueeze(1)
        values, scored = torch.from_numpy(_tokens_of(stored)), mask & torch.from_numpy(stored >= 0)
        return Field(values, lengths > 0, None if mask.all() else mask, scored)

    def decode(self, values: Tensor) -> list[str]:
        """[B,S] -> texts without special tokens and the spaces around them."""
        return [self.vocabulary.write(row).strip() for row in values.tolist()]

    def decode_marked(self, values: Tensor) -> list[str]:
        """As `decode`, with UNKNOWN where a token stands for what has none."""
        return [self.vocabulary.write_marked(row).strip() for row in values.tolist()]

    def show(self, array: np.ndarray) -> Shown:
        """The text, as far as the tokens hold it."""
        return "text", self.vocabulary.write(_tokens_of(array).tolist()).strip()

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer, once it is fitted or loaded."""
        assert self._vocabulary is not None, "fit or load comes first"
        return self._vocabulary

    @property
    def _template(self) -> Template:
        found = self.vocabulary
        if found.template is None:
            raise DataError(f"there is no chat template for conversations: the model {self.model!r} has none.")
        return Template(found.template, found.specials.get("bos", ""), found.specials["eos"])

    @cached_property
    def _end(self) -> int:
        """The token that ends an answer: the first special one behind it in the template, else the tokenizer's own."""
        found = self.vocabulary
        answer = [] if found.template is None else found.cut(self._template.pieces(TRIAL[:2])[-1][0])
        return next((number for number in answer if number in found.special), found.number("eos"))

    @cached_property
    def _begin(self) -> int:
        """The token that a text begins with: the template's first where that is special, else the tokenizer's own."""
        found = self.vocabulary
        first = [] if found.template is None else found.cut(self._template.asked(TRIAL[:1]))[:1]
        return next(
            (number for number in first if number in found.special),
            found.number("bos" if "bos" in found.specials else "eos"),
        )

    def _marked(self, pieces: Sequence[Piece]) -> list[int]:
        """The tokens of all pieces; below 0 is what is given, what follows the end of an answer, and what spans both.

        They are cut as one text, since many tokenizers (those of SentencePiece) begin each text with a space.
        """
        ends = list(accumulate(len(piece) for piece, _ in pieces))
        ids, ended = list[int](), set[int]()
        for token, (start, stop) in self.vocabulary.cut_with_places("".join(piece for piece, _ in pieces)):
            number = bisect_left(ends, stop)
            scored = pieces[number][1] and start >= ends[number] - len(pieces[number][0]) and number not in ended
            if scored and token == self._end:
                ended.add(number)
            ids.append(token if scored else -1 - token)
        return ids

    def _turns(self, cell: Cell) -> list[Turn]:
        turns = turns_of(cell)
        for _, text in turns:
            _plain(text)
        self.vocabulary.check_plain(text for _, text in turns)
        return turns


def _plain(cell: Cell) -> str:
    """The cell as a text. Raises DataError where it is none, or holds half of a character."""
    readable = isinstance(cell, str | int) or (isinstance(cell, float) and math.isfinite(cell))
    if not readable or isinstance(cell, bool):
        raise DataError(f"a conversation is a list of turns as JSON, or a text, but the cell holds {str(cell)[:80]!r}.")
    text = str(cell)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"the text {text[:80]!r} holds half of a character: {error}.") from error
    return text


def _tokens_of(stored: np.ndarray) -> np.ndarray:
    """Tokens as `read` stores them -> tokens as encoders take them."""
    return np.where(stored < 0, -1 - stored, stored)
