"""What a causal encoder promises: no look ahead, and the same word by word as all at once."""

# B = samples of a batch, S = positions of a field, N = tokens of a sample, D = width

from dataclasses import replace

import torch
from torch import Tensor

from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.run import Memory, Run
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.module import ModuleContract, generator
from mmcore.testing.perturb import junk


class DecodingContract(ModuleContract):
    """The part of the encoders' contract that concerns writing; passes by where the encoder is not causal."""

    def ready(self) -> Encoder:
        """The encoder in evaluation mode."""
        raise NotImplementedError

    def make(self, seed: int = 0) -> Field:
        """The tests' field."""
        raise NotImplementedError

    def whole(self) -> Field:
        """The tests' field with every position real."""
        field = self.make()
        return replace(field, mask=torch.ones_like(_mask(field)))

    def test_causal_means_causal(self) -> None:
        encoder, field = self.ready(), self.whole()
        if not encoder.causal:
            return
        before = finish(encoder, field)
        for cut in range(1, field.values.shape[1]):
            values = field.values.clone()
            values[:, cut:] = junk(field.values, generator(cut))[:, cut:]
            after = finish(encoder, field.with_values(values))
            self.assert_close(
                before.values[:, :cut],
                after.values[:, :cut],
                f"tokens before position {cut} change with those behind it, but causal is True: something looks ahead",
            )

    def test_decoding_word_by_word_gives_the_same(self) -> None:
        encoder, field = self.ready(), self.make()
        if not encoder.causal:
            return
        full, writer, found = finish(encoder, field), Writer(encoder), list[Tensor]()
        for place in range(field.values.shape[1]):
            found.append(writer.write(_columns(field, place, place + 1)).values)
        mask = _mask(field)
        self.assert_close(
            full.values[mask],
            torch.cat(found, 1)[mask],
            "token by token through the cache gives something else than all at once: is the cache extended by every "
            "stage, are masked tokens passed over, do positions and order go on from `start`?",
        )

    def test_decoding_goes_on_after_a_ragged_prompt(self) -> None:
        encoder, field = self.ready(), self.make()
        if not encoder.causal:
            return
        writer, rows = Writer(encoder), torch.arange(len(field)).flip(0)
        writer.write(field)
        more = _columns(self.whole(), 0, 2).pick(rows)
        found = torch.cat([writer.write(_columns(more, n, n + 1)).values for n in range(2)], 1)
        for row in range(len(field)):
            alone = _one_row(field, more, row)
            self.assert_close(
                finish(encoder, alone).values[:, -2:],
                found[row : row + 1],
                "after prompts of several lengths, what is written depends on the padding of the shorter ones",
            )

    def test_decoding_goes_on_after_picking_rows(self) -> None:
        encoder, field = self.ready(), self.whole()
        if not encoder.causal:
            return
        half, rows = field.values.shape[1] // 2, torch.tensor([2, 0, 0, 1])
        writer = Writer(encoder)
        writer.write(_columns(field, 0, half))
        writer.pick(rows)
        found = writer.write(_columns(field, half, field.values.shape[1]).pick(rows))
        full = finish(encoder, field.pick(rows))
        self.assert_close(
            full.values[:, half:],
            found.values,
            "after picking rows, as beams do, the cache does not follow: keep every cached tensor batch-first in the "
            "`cache` that the stage is given, and nothing on the stage itself",
        )

    def test_decoding_goes_on_after_beams_change_places(self) -> None:
        encoder, field = self.ready(), self.whole()
        if not encoder.causal:
            return
        samples, length = field.values.shape[:2]
        writer, half = Writer(encoder), length // 2
        writer.write(_columns(field, 0, half))
        twice, turned = torch.arange(samples).repeat_interleave(2), torch.arange(2 * samples).view(-1, 2).flip(1)
        # Two texts of each sample that begin alike and go on otherwise.
        both = field.pick(twice)
        both.values[1::2, half:] = both.values[1::2, half:].flip(1)
        writer.pick(twice)
        found = list[Tensor]()
        for place in range(half, length):
            found.append(writer.write(_columns(both, place, place + 1)).values)
            writer.swap(turned.flatten())
            both = both.pick(turned.flatten())
            found = [part[turned.flatten()] for part in found]
        self.assert_close(
            finish(encoder, both).values[:, half:],
            torch.cat(found, 1),
            "after beams of a sample changed places the cache does not follow: put what gets longer behind it with "
            "`cache.grow`, set anew what else is kept, and write into no tensor that is in the cache",
        )

    def test_decoding_leaves_no_trace(self) -> None:
        encoder, field = self.ready(), self.whole()
        if not encoder.causal:
            return
        before = finish(encoder, field)
        Writer(encoder).write(field)
        after = finish(encoder, field)
        assert torch.equal(before.values, after.values), (
            "writing changes what the encoder computes afterwards: a stage keeps a state of its own. Use `cache`."
        )

    def test_the_cache_is_batch_first(self) -> None:
        encoder, field = self.ready(), self.whole()
        if not encoder.causal:
            return
        writer = Writer(encoder)
        writer.write(field)
        shapes = {
            f"stage {number} {key}": tuple(value.shape)
            for number, stage in enumerate(writer.memory.stages)
            for key, value in stage.items()
        }
        wrong = [f"{name} {shape}" for name, shape in shapes.items() if shape[:1] != (len(field),)]
        assert not wrong, f"{', '.join(wrong)}: the first axis must be the sample, or beams cannot pick their rows."

    def test_readout_covers_the_vocabulary(self) -> None:
        encoder, field = self.ready(), self.make()
        tokens = finish(encoder, field)
        logits, facts = encoder.readout(tokens), getattr(self, "facts", {})
        if logits is None or "vocabulary" not in facts:
            return
        expected = (*tokens.mask.shape, facts["vocabulary"])
        assert tuple(logits.shape) == expected, f"readout gives {tuple(logits.shape)}; logits must be {expected}."

    def test_readout_looks_at_each_token_by_itself(self) -> None:
        encoder = self.ready()
        tokens = finish(encoder, self.make())
        whole = encoder.readout(tokens)
        if whole is None:
            return
        for place in range(tokens.length):
            told, real = encoder.readout(tokens.cut(place, place + 1)), tokens.mask[:, place]
            assert told is not None, "readout gives logits of all tokens, but none of one."
            self.assert_close(
                whole[:, place][real],
                told[:, 0][real],
                f"the logits of token {place} depend on other tokens: in use there are no later ones, and earlier ones "
                "are not handed in again",
            )
        row = torch.tensor([2])
        told, real = encoder.readout(tokens.pick(row)), tokens.mask[row]
        assert told is not None, "readout gives logits of a batch, but none of one sample."
        self.assert_close(whole[row][real], told[real], "the logits of a sample depend on its neighbours in the batch")


class Writer:
    """One decode: each part of a field is walked alone, and the run's memory holds what came before."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.memory = Memory.of(encoder)
        self.written: Tensor | None = None

    @torch.no_grad()
    def write(self, field: Field) -> Tokens:
        """The field's tokens, seen as the continuation of those before."""
        start = torch.zeros(len(field), dtype=torch.long) if self.written is None else self.written
        tokens = self.encoder.embed(field, start).zeroed()
        decoding = self.written is not None
        run = Run("field", self.encoder, tokens=tokens, memory=self.memory, decoding=decoding)
        found = run.finish()
        assert run.memory is not None, "a run keeps the memory that it was given"
        self.memory, self.written = run.memory, start + _mask(field).sum(1)
        return found

    def pick(self, rows: Tensor) -> None:
        """Go on with these rows."""
        assert self.written is not None, "nothing was written yet"
        self.memory, self.written = self.memory.pick(rows), self.written[rows]

    def swap(self, rows: Tensor) -> None:
        """Go on with these rows, each of which was the same as the one whose place it takes when rows were picked."""
        assert self.written is not None, "nothing was written yet"
        self.memory.swap(rows)
        self.written = self.written[rows]


@torch.no_grad()
def finish(encoder: Encoder, field: Field) -> Tokens:
    """The whole field at once, without a memory."""
    return Run("field", encoder, tokens=encoder.embed(field).zeroed()).finish()


def _mask(field: Field) -> Tensor:
    """[B,S] bool."""
    return torch.ones(field.values.shape[:2], dtype=torch.bool) if field.mask is None else field.mask


def _columns(field: Field, start: int, stop: int) -> Field:
    """Positions start..stop of every sample."""
    return replace(field, values=field.values[:, start:stop], mask=_mask(field)[:, start:stop])


def _one_row(prompt: Field, more: Field, row: int) -> Field:
    """One sample's real prompt with what follows it, unpadded."""
    values = torch.cat([prompt.values[row][_mask(prompt)[row]], more.values[row]]).unsqueeze(0)
    return Field(values, torch.ones(1, dtype=torch.bool), torch.ones(values.shape[:2], dtype=torch.bool))
