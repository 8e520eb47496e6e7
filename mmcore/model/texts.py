"""Texts on their way through a model: which token may come next, from what is remembered or by walking all anew."""

# R = texts, S = positions of a text so far, V = vocabulary

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.run import Memory, Run
from mmcore.interfaces.tokens import Tokens
from mmcore.model.multimodal import MultimodalModel


class Texts(ABC):
    """Several texts that grow together, one token each at a time."""

    @abstractmethod
    def next(self) -> Tensor:
        """Logits [R,V] of the token that comes after each text; asked once for each token."""

    @abstractmethod
    def add(self, tokens: Tensor, real: Tensor | None = None) -> None:
        """One more token [R] for each text; where `real` [R] is False the text has ended and stays as it is.

        None: no text has ended, which need not be asked of the device then.
        """

    @abstractmethod
    def pick(self, rows: Tensor) -> None:
        """Go on with the texts in `rows`, in that order."""

    def swap(self, rows: Tensor) -> None:
        """As `pick`, where each text takes the place of one that was the same when texts were picked last."""
        self.pick(rows)


def begin(model: MultimodalModel, batch: Batch, *, field: str) -> Texts:
    """The prompts in `field` of a prepared batch, padded behind; the other fields are what is written from."""
    fields = {name: batch.fields[name] for name in model.owners}
    return (Remembered if model.fusion.streaming else Anew)(model, replace(batch, fields=fields), field=field)


def prompt_of(text: Field, *, bos: int) -> Field:
    """What is given of each text: all before `Field.written`, but at least one token; `bos` where it is absent."""
    places = torch.arange(text.values.shape[1], device=text.present.device)
    real = torch.ones_like(text.values, dtype=torch.bool) if text.mask is None else text.mask
    written = text.written()
    given = torch.where(written.any(1), written.long().argmax(1), real.sum(1)).clamp_min(1)
    given = torch.where(text.present, given, 1)
    longest = int(given.max())
    values = torch.where(text.present.unsqueeze(1), text.values, bos)[:, :longest]
    mask = places[:longest] < given.unsqueeze(1)
    return Field(values, torch.ones_like(text.present), None if bool(mask.all()) else mask, complete=True)


class Remembered(Texts):
    """Each token is walked once: stages keep what later ones need, and the other runs stay finished."""

    def __init__(self, model: MultimodalModel, batch: Batch, *, field: str) -> None:
        self._model, self._name = model, field
        self._runs = model.start(batch)
        run = self._runs[field]
        run.memory = Memory.of(run.encoder)
        self._lengths = run.own.mask.sum(1)

    def next(self) -> Tensor:
        """Walks what was added since the last call."""
        streams = self._model.fusion(self._runs)
        return last_logits(self._model, streams, field=self._name)

    def add(self, tokens: Tensor, real: Tensor | None = None) -> None:
        """The next run of the field holds these tokens alone."""
        before = self._runs[self._name]
        present = torch.ones_like(tokens, dtype=torch.bool)
        new = Field(tokens.unsqueeze(1), present, None if real is None else real.unsqueeze(1), complete=True)
        embedded = before.encoder.embed(new, start=self._lengths)
        self._lengths = self._lengths + (1 if real is None else real)
        self._runs[self._name] = Run(self._name, before.encoder, tokens=embedded, memory=before.memory, decoding=True)

    def pick(self, rows: Tensor) -> None:
        """Every run with its memory."""
        for run in self._runs.values():
            run.pick(rows)
        self._lengths = self._lengths[rows]

    def swap(self, rows: Tensor) -> None:
        """The memory of what was written: in all else they are the same."""
        memory = self._runs[self._name].memory
        assert memory is not None, "set at the start"
        memory.swap(rows)
        self._lengths = self._lengths[rows]


class Anew(Texts):
    """Each token walks the whole text again, and all fields with it: for fusions that cannot remember."""

    def __init__(self, model: MultimodalModel, batch: Batch, *, field: str) -> None:
        self._model, self._name, self._batch = model, field, batch
        text = batch.fields[field]
        mask = torch.ones_like(text.values, dtype=torch.bool) if text.mask is None else text.mask
        self._text = replace(text, mask=mask)

    def next(self) -> Tensor:
        """Walks everything."""
        runs = self._model.start(self._batch.with_fields({self._name: self._text}))
        return last_logits(self._model, self._model.fusion(runs), field=self._name)

    def add(self, tokens: Tensor, real: Tensor | None = None) -> None:
        """Each token goes right behind its own text, so that padding stays behind."""
        mask = self._text.mask
        assert mask is not None, "set at the start"
        ends = mask.sum(1, keepdim=True)
        if int(ends.max()) == mask.shape[1]:
            one = mask.new_zeros(len(mask), 1)
            mask = torch.cat([mask, one], 1)
            self._text = replace(self._text, values=torch.cat([self._text.values, one.long()], 1), mask=mask)
        values = self._text.values.scatter(1, ends, tokens.unsqueeze(1))
        here = torch.ones_like(ends, dtype=torch.bool) if real is None else real.unsqueeze(1)
        self._text = replace(self._text, values=values, mask=mask.scatter(1, ends, here))

    def pick(self, rows: Tensor) -> None:
        """Every field."""
        self._batch, self._text = self._batch.pick(rows), self._text.pick(rows)


def last_logits(model: MultimodalModel, streams: Streams, *, field: str) -> Tensor:
    """[R,V] from the last real token of each text."""
    logits = model.encoder(field).readout(Tokens.single(streams[field].last()))
    assert logits is not None, f"assemble sees that the encoder of {field!r} has a readout"
    return logits[:, 0].float()
