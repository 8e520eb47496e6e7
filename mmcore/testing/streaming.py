"""What a fusion promises of fields that can be written: no look ahead, and the same token by token as all at once."""

# B = samples of a batch, S = positions of a field, N = tokens of a sample, D = width

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from mmcore.interfaces.field import Field
from mmcore.interfaces.fusion import Fusion, Port, Streams
from mmcore.interfaces.run import Memory, Run
from mmcore.interfaces.tokens import Tokens
from mmcore.model.multimodal import MultimodalModel
from mmcore.testing.module import ModuleContract, generator
from mmcore.testing.perturb import far
from mmcore.testing.walk import batch_of

NEW = 3
"""Tokens that the tests write behind a prompt."""


class StreamingContract(ModuleContract):
    """The part of the fusions' contract that concerns writing; the probes of elastic ports are causal."""

    ports: ClassVar[Mapping[str, Port]]

    def ready(self) -> Fusion:
        """The fusion in evaluation mode."""
        raise NotImplementedError

    def fields(self, seed: int = 0) -> dict[str, Field]:
        """A batch of every port's field."""
        raise NotImplementedError

    def model(self, fusion: Fusion) -> MultimodalModel:
        """The fusion between probes."""
        raise NotImplementedError

    def streams(self, fusion: Fusion, fields: Mapping[str, Field]) -> Streams:
        """What the fusion makes of the fields."""
        raise NotImplementedError

    def causal(self, fusion: Fusion) -> list[str]:
        """The causal fields that come out as streams."""
        return [name for name, port in sorted(self.ports.items()) if port.elastic and name in fusion.writes]

    def writable(self, fusion: Fusion) -> list[str]:
        """Those of them that can be written."""
        return [name for name in self.causal(fusion) if name not in fusion.looks_ahead]

    def test_a_causal_stream_stays_causal(self) -> None:
        for name in self.writable(self.ready()):
            distance = self.moved_by_later_tokens(name)
            assert distance < self.tolerance, (
                f"tokens of {name!r} change with those behind them: it could not be written. Does another field learn "
                "of the whole text, and does the text look at it in turn? Mend that, or name the field in looks_ahead."
            )

    def test_a_causal_stream_is_the_same_while_later_tokens_are_not_there(self) -> None:
        for name in self.writable(self.ready()):
            distance = self.moved_by_cutting(name)
            assert distance < self.tolerance, (
                f"tokens of {name!r} change when those behind them are not there yet: what is learned from whole texts "
                "would be no use in writing. Does the last token see more than others, or does the length count?"
            )

    def test_fields_that_look_ahead_do(self) -> None:
        fusion = self.ready()
        unknown = sorted(set(fusion.looks_ahead) - set(self.ports))
        assert not unknown, f"looks_ahead names {unknown}, which are no fields."
        for name in sorted(set(self.causal(fusion)) - set(self.writable(fusion))):
            ahead = max(self.moved_by_later_tokens(name), self.moved_by_cutting(name))
            assert ahead > self.tolerance, f"looks_ahead names {name!r}, but its earlier tokens learn of no later one."

    def moved_by_later_tokens(self, name: str) -> float:
        """How far the earlier tokens of a field's stream move when later ones are others."""
        fusion, fields = self.ready(), self.fields()
        before, distance = self.streams(fusion, fields)[name], 0.0
        for cut in range(1, fields[name].values.shape[1]):
            values = fields[name].values.clone()
            values[:, cut:] = 3.0
            after = self.streams(fusion, {**fields, name: fields[name].with_values(values)})[name]
            distance = max(distance, far(_first(before, cut), _first(after, cut)))
        return distance

    def moved_by_cutting(self, name: str) -> float:
        """How far the earlier tokens of a field's stream move when later ones are taken away."""
        fusion, fields = self.ready(), self.fields()
        before, distance = self.streams(fusion, fields)[name], 0.0
        for cut in range(1, fields[name].values.shape[1]):
            mask = _mask(fields[name]).clone()
            mask[:, cut:] = False
            after = self.streams(fusion, {**fields, name: replace(fields[name], mask=mask)})[name]
            distance = max(distance, far(_first(before, cut), _first(after, cut)))
        return distance

    def test_writing_token_by_token_gives_the_same(self) -> None:
        for name in self.streamed():
            text = Text.of(self.fields(), name)
            whole, writer = self.whole(text), Writer(self.model(self.ready()), text)
            prompt = writer.begin()
            self.assert_close(
                _real(whole, _mask(text.prompt)), prompt[_mask(text.prompt)], "a prompt with a memory differs"
            )
            found = torch.cat([writer.write(step) for step in range(NEW)], 1)
            self.assert_close(
                text.written(whole),
                found,
                f"{name!r} token by token gives something else than all at once. While decoding, is anything put in "
                "front a second time, is what the first step kept forgotten, are other runs advanced again?",
            )
            self.assert_close(whole, self.whole(text), "writing changes what the fusion computes afterwards")

    def test_writing_goes_on_after_picking_rows(self) -> None:
        rows = torch.tensor([2, 0, 0, 1, 5, 4])
        for name in self.streamed():
            text = Text.of(self.fields(), name)
            writer = Writer(self.model(self.ready()), text)
            writer.begin()
            writer.pick(rows)
            found = [writer.write(0)]
            writer.pick(rows)
            found += [writer.write(step) for step in range(1, NEW)]
            expected = text.written(self.whole(text))[rows]
            self.assert_close(expected[:, :1], found[0], _BEAMS)
            self.assert_close(expected[rows, 1:], torch.cat(found[1:], 1), _BEAMS)

    def streamed(self) -> list[str]:
        """The fields that are written token by token."""
        fusion = self.ready()
        return self.writable(fusion) if fusion.streaming else []

    @torch.no_grad()
    def whole(self, text: "Text") -> Tensor:
        """The written field's stream, all at once."""
        return self.streams(self.ready(), {**text.others, text.name: text.full})[text.name].values


_BEAMS = (
    "after picking rows, as beams do, something does not follow: keep what lasts with run.keep, and nothing on the "
    "fusion itself"
)


@dataclass
class Text:
    """A field to be written: ragged prompts, and what follows them; each other field is absent in one sample."""

    name: str
    prompt: Field
    new: Tensor
    """[B,NEW,...]."""
    others: Mapping[str, Field] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, Field], name: str) -> "Text":
        """The fields' own rows as prompts."""
        others = [other for other in sorted(fields) if other != name]
        hidden = {other: fields[other].hide(torch.tensor([n])) for n, other in enumerate(others)}
        prompt = fields[name]
        new = torch.randn(len(prompt), NEW, *prompt.values.shape[2:], generator=generator(3))
        return cls(name, prompt, new, hidden)

    @property
    def places(self) -> Tensor:
        """[B,NEW] long: where the new tokens stand in `full`."""
        return _mask(self.prompt).sum(1, keepdim=True) + torch.arange(NEW)

    @property
    def full(self) -> Field:
        """Prompt and new tokens in one field, padded behind."""
        values = torch.cat([self.prompt.values, torch.zeros_like(self.new)], 1)
        rows = torch.arange(len(values)).unsqueeze(1)
        values = values.index_put((rows, self.places), self.new)
        mask = torch.arange(values.shape[1]) <= self.places[:, -1:]
        return Field(values, self.prompt.present, mask)

    def written(self, values: Tensor) -> Tensor:
        """Of a stream of `full` [B,S,D] the new tokens [B,NEW,D]."""
        return values[torch.arange(len(values)).unsqueeze(1), self.places]


class Writer:
    """A decode as the driver does it: the first step finishes the other runs, the written one brings new tokens."""

    def __init__(self, model: MultimodalModel, text: Text) -> None:
        self.model, self.text = model, text
        self.count = _mask(text.prompt).sum(1)
        self.rows = torch.arange(len(text.prompt))
        self.runs = model.start(batch_of({**text.others, text.name: text.prompt}))
        encoder = model.encoder(text.name)
        start = Run(text.name, encoder, tokens=self.runs[text.name].own, memory=Memory.of(encoder))
        self.runs[text.name] = start

    @torch.no_grad()
    def begin(self) -> Tensor:
        """The prompt's stream [B,S,D]."""
        return self._step()

    @torch.no_grad()
    def write(self, step: int) -> Tensor:
        """One new token's stream [B,1,D]."""
        encoder, before = self.model.encoder(self.text.name), self.runs[self.text.name]
        values = self.text.new[self.rows, step : step + 1]
        real = torch.ones(values.shape[:2], dtype=torch.bool)
        tokens = encoder.embed(Field(values, real[:, 0], real), self.count)
        self.runs[self.text.name] = Run(before.name, encoder, tokens=tokens, memory=before.memory, decoding=True)
        self.count = self.count + 1
        return self._step()

    def pick(self, rows: Tensor) -> None:
        """Go on with these rows."""
        for run in self.runs.values():
            run.pick(rows)
        self.count, self.rows = self.count[rows], self.rows[rows]

    def _step(self) -> Tensor:
        streams: Streams = self.model.fusion(self.runs)
        return streams[self.text.name].values


def _mask(given: Field) -> Tensor:
    """[B,S] bool."""
    return torch.ones(given.values.shape[:2], dtype=torch.bool) if given.mask is None else given.mask


def _first(tokens: Tokens, count: int) -> Tensor:
    """[number of real tokens among the first `count`, D]."""
    return tokens.values[:, :count][tokens.mask[:, :count]]


def _real(values: Tensor, mask: Tensor) -> Tensor:
    """Of [B,S',D] those among the first S that a mask [B,S] says are real."""
    return values[:, : mask.shape[1]][mask]
