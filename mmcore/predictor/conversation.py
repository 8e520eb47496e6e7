"""Questions to a model about the same things, one after another, with what was said before."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mmcore.errors import ConfigError, listing
from mmcore.interfaces.modality import Cell, Modality
from mmcore.predictor.predictor import Answer, Predictor

Said = Callable[[str], None]
"""Gets each new piece of an answer while it is written."""


class Conversation:
    """Knows where a question goes: into the field of texts that was not given, else before what is written.

    A field of conversations gets all that was said before; where questions have a field of their own, each stands
    alone, as in training; a model that only writes gets the lines so far.
    """

    def __init__(self, predictor: Predictor, given: Mapping[str, Cell], *, base: Path = Path()) -> None:
        """given: cells that all questions are about. Raises ConfigError where it is not clear where a question goes."""
        self._predictor, self._given, self._base = predictor, dict(given), base
        self._turns = list[tuple[str, str]]()
        named = {field for name in given for field in predictor.columns.get(name, (name,))}
        free = [name for name in predictor.inputs if name not in named and _is_text(predictor.modalities[name])]
        talks = [name for name in predictor.written if predictor.modalities[name].talks]
        written = [name for name in predictor.written if name not in named]
        places = talks or free or written
        if len(places) != 1:
            raise ConfigError(
                f"it is not clear where a question goes: fields of texts that were not given are {listing(places)}. "
                f"Give all but one, for example --{(places or predictor.inputs)[0]} '...'."
            )
        self.place = places[0]
        """The field that questions go into."""

    def ask(self, question: str, said: Said | None = None) -> str:
        """The answer; `said` gets its pieces while they are written."""
        row = {**self._given, self.place: self._cell(question)}
        writer = self._writer(said)
        answers = self._predictor.ask(row, writer.told if writer is not None else None, base=self._base)
        answer = _in_short(answers)
        if writer is not None:
            writer.end(answer)
        elif said is not None:
            said(answer)
        self._turns.append((question, answer))
        return answer

    def _cell(self, question: str) -> Cell:
        if self._predictor.modalities[self.place].talks:
            turns = [{"from": speaker, "value": text} for speaker, text in self._spoken(question)]
            return json.dumps(turns, ensure_ascii=False)
        if self.place in self._predictor.written:
            return "\n".join(text for _, text in self._spoken(question))
        return question

    def _spoken(self, question: str) -> list[tuple[str, str]]:
        before = [turn for asked, answer in self._turns for turn in (("human", asked), ("gpt", answer))]
        return [*before, ("human", question)]

    def _writer(self, said: Said | None) -> "_Pieces | None":
        """For the one field that is written; None where there is none or several."""
        if said is None or len(self._predictor.written) != 1:
            return None
        return _Pieces(self._predictor.modalities[self._predictor.written[0]], said)


class _Pieces:
    """Turns tokens into pieces of text; half a character waits for its other half."""

    def __init__(self, modality: Modality, said: Said) -> None:
        self._modality, self._said = modality, said
        self._ids, self._shown = list[int](), ""

    def told(self, tokens: Tensor) -> None:
        """One more token [1]."""
        self._ids.append(int(tokens[0]))
        text: str = self._modality.decode(torch.tensor([self._ids]))[0]
        if not text.endswith("\ufffd"):
            self.end(text)

    def end(self, text: str) -> None:
        """Whatever of the text was not said yet; blanks before a word that may still come are kept back."""
        if text.startswith(self._shown):
            self._said(text[len(self._shown) :])
            self._shown = text


def _is_text(modality: Modality) -> bool:
    return not modality.files and "bos" in modality.facts()


def _in_short(answers: Mapping[str, Answer]) -> str:
    """What the first task says that says something: a text, a label, a number."""
    for key in ("text", "label", "labels", "value"):
        for answer in answers.values():
            if key in answer:
                return str(answer[key])
    raise ConfigError(f"the tasks of this model ({listing(answers)}) give no answer in words: use mm predict.")
