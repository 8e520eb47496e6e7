"""What an encoder promises."""

# B = samples of a batch, N = tokens of a sample, S = positions of a field, D = width

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
import yaml
from torch import Tensor, nn

from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.run import Run
from mmcore.interfaces.tokens import Tokens
from mmcore.registry.settings import Part
from mmcore.testing.decoding import DecodingContract
from mmcore.testing.gpu import module_there, there
from mmcore.testing.module import generator, moved_buffers
from mmcore.testing.perturb import (
    real,
    tokens_far,
    with_filler,
    with_junk_in_masked_places,
    with_more_padding,
    with_other_neighbours,
)
from mmcore.testing.rarity import RarityContract
from mmcore.testing.reach import OPEN, shake
from mmcore.testing.walk import batch_of, dishonest, model_of, stations, walk


class EncoderContract(DecodingContract, RarityContract):
    """Inherit, name the encoder, give facts and a prepared field::

    class TestCNN(EncoderContract):
        name = "cnn"
        facts = {"channels": 3, "height": 16, "width": 16}
        settings = {"widths": [8, 8]}

        def field(self, samples: int, generator: torch.Generator) -> Field: ...
    """

    kind = "encoder"
    facts: ClassVar[Mapping[str, Any]]
    """What the field's modality would say."""

    def field(self, samples: int, generator: torch.Generator) -> Field:
        """A prepared batch, every sample present; a ragged one has rows of several lengths."""
        raise NotImplementedError

    def build(self, *, seed: int = 0, turned: bool = False) -> Encoder:
        """The encoder."""
        facts = dict(reversed(list(self.facts.items()))) if turned else self.facts
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder: Encoder = self.plugins().encoder.build(self.part(), facts, where="encoder")
        return encoder

    def exercise(self, module: nn.Module) -> Sequence[Tensor]:
        """The real tokens at the end, and the logits of one that can write."""
        assert isinstance(module, Encoder)
        tokens = walk(module, self.make())
        logits = module.readout(tokens)
        return [real(tokens)] if logits is None else [real(tokens), logits[tokens.mask]]

    def on_a_gpu(self, module: nn.Module) -> object:
        """The tokens at the end, and logits, where some samples are absent."""
        assert isinstance(module, Encoder)
        encoder = module_there(module)
        return encoder.readout(walk(encoder, there(self.make().hide(torch.tensor([1])))))

    def make(self, seed: int = 0) -> Field:
        """The tests' field."""
        return self.field(self.samples, generator(seed))

    def ready(self) -> Encoder:
        """The encoder in evaluation mode, its gates open."""
        return shake(self.build().eval(), size=OPEN)

    def assert_same(self, one: Tokens, other: Tokens, why: str) -> None:
        """Fail with `why` where the real tokens differ."""
        distance = tokens_far(one, other)
        assert distance < self.tolerance, f"{why} (largest relative difference: {distance:.2g})"

    def test_it_names_the_modality_it_reads(self) -> None:
        assert isinstance(getattr(self.plugin(), "consumes", None), str), (
            "set `consumes` on the class to the entry point of the modality that the encoder reads."
        )

    def test_stages_are_registered(self) -> None:
        encoder = self.build()
        assert isinstance(encoder._modules.get("stages"), nn.ModuleList), (
            "stages must be an nn.ModuleList that __init__ sets on self. A class default hides it from torch: the "
            "encoder would silently have no layers."
        )

    def test_weights_that_hang_on_numbers_are_there(self) -> None:
        encoder = self.build()
        unknown = sorted(set(encoder.by_number) - set(encoder.state_dict()))
        assert not unknown, f"by_number says {unknown}, but state_dict() has no weights of that name."

    def test_declared_widths_are_true(self) -> None:
        encoder = self.ready()
        assert len(encoder.widths) == encoder.depth + 1, (
            f"widths has {len(encoder.widths)} entries for {encoder.depth} stages: D after embed and each stage."
        )
        found = tuple(tokens.width for tokens in stations(encoder, self.make()))
        assert found == tuple(encoder.widths), f"widths says {tuple(encoder.widths)}, but the tokens have {found}."

    def test_flags_of_tokens_are_true(self) -> None:
        encoder, field = self.ready(), self.make()
        every = [encoder.embed(field), *stations(encoder, field), *stations(encoder, field.hide(torch.tensor([1])))]
        faults = [fault for tokens in every if (fault := dishonest(tokens)) is not None]
        assert not faults, f"{faults[0]}: attention would take a wrong path."

    def test_present_samples_stay_present(self) -> None:
        assert walk(self.ready(), self.make()).present.all(), (
            "a sample that is present has no real token at the end. Carry the mask through every stage."
        )

    def test_zeros_are_data_not_absence(self) -> None:
        field = self.make()
        zero = field.with_values(torch.zeros_like(field.values))
        before, after = walk(self.ready(), field), walk(self.ready(), zero)
        assert torch.equal(before.mask, after.mask), (
            "the mask changes when a field's values are all zero. Take the mask from field.mask: a zero is a value."
        )

    def test_what_a_saved_model_holds_rebuilds_it(self) -> None:
        kept = yaml.safe_load(yaml.safe_dump(dict(self.build().rebuilt_with())))
        part = Part(self.name, {**self.settings, **kept})
        rebuilt: Encoder = self.plugins().encoder.build(part, self.facts, where="encoder")
        shapes = [{name: item.shape for name, item in made.state_dict().items()} for made in (self.build(), rebuilt)]
        assert shapes[0] == shapes[1], (
            "with the settings of `rebuilt_with` another encoder is built: the weights of a saved model would not fit."
        )

    def test_finite_with_everything_absent(self) -> None:
        field = self.make().hide(torch.arange(self.samples))
        for blank in (False, True):
            tokens = walk(self.ready(), field, blank=blank)
            assert tokens.values.isfinite().all(), (
                "with every sample absent something is not finite: a softmax over nothing, or a mean over zero tokens?"
            )

    def test_absent_samples_stay_absent(self) -> None:
        tokens = walk(self.ready(), self.make().hide(torch.tensor([1, 4])))
        assert not tokens.present[[1, 4]].any(), (
            "an absent sample has real tokens at the end: a stage made a mask of its own. Carry the incoming mask."
        )

    def test_a_blank_token_lives_to_the_end(self) -> None:
        encoder = self.ready()
        if encoder.batch_statistics:  # the model gives no blank to stages that need real rows
            return
        tokens = walk(encoder, self.make().hide(torch.tensor([1, 4])), blank=True)
        assert tokens.present.all(), (
            "the learned token that stands for an absent sample is lost on the way: a stage that shrinks the grid must "
            "keep a row real whose first token is (see mmcore.layers.grid)."
        )

    def test_filler_of_absent_samples_changes_nothing(self) -> None:
        rows = torch.tensor([1, 4])
        field = self.make().hide(rows)
        other = with_filler(field, rows, generator(1))
        for blank in (False, True):
            one, two = walk(self.ready(), field, blank=blank), walk(self.ready(), other, blank=blank)
            self.assert_same(one, two, "what stands in the rows of absent samples changes the result")

    def test_absence_of_a_neighbour_changes_nothing(self) -> None:
        gone, left = torch.tensor([1, 4]), torch.tensor([0, 2, 3, 5])
        one = walk(self.ready(), self.make()).pick(left)
        two = walk(self.ready(), self.make().hide(gone)).pick(left)
        self.assert_same(one, two, "a sample changes when another one is absent")

    def test_junk_in_masked_places_changes_nothing(self) -> None:
        field = self.make()
        one = walk(self.ready(), field)
        two = walk(self.ready(), with_junk_in_masked_places(field, generator(1)))
        self.assert_same(one, two, "values where the mask is False change the result: mask before you pool or mix")

    def test_more_padding_changes_nothing(self) -> None:
        field = self.make()
        one, two = walk(self.ready(), field), walk(self.ready(), with_more_padding(field, generator(1)))
        self.assert_same(one, two, "the result depends on how far a batch is padded: count real tokens, not positions")

    def test_neighbours_in_the_batch_change_nothing(self) -> None:
        field = self.make()
        one = walk(self.ready(), field).pick(torch.tensor([2]))
        two = walk(self.ready(), with_other_neighbours(field, 2, generator(1))).pick(torch.tensor([2]))
        self.assert_same(one, two, "in evaluation mode a sample depends on its neighbours in the batch")

    def test_a_sample_alone_gives_the_same(self) -> None:
        row = torch.tensor([2])
        one, two = walk(self.ready(), self.make()).pick(row), walk(self.ready(), self.make().pick(row))
        self.assert_same(one, two, "a sample alone gives something else than the same sample in a batch")

    def test_permuting_samples_permutes_the_result(self) -> None:
        order = torch.randperm(self.samples, generator=generator(2))
        one, two = walk(self.ready(), self.make()).pick(order), walk(self.ready(), self.make().pick(order))
        self.assert_same(one, two, "the place of a sample in the batch changes its result")

    def test_fields_that_share_it_do_not_mix(self) -> None:
        encoder, fields = self.ready(), {"one": self.make(), "other": self.make(seed=1)}
        model = model_of({"one": encoder}, owners=dict.fromkeys(fields, "one")).eval()
        runs = model.start(batch_of(fields))
        for _ in range(encoder.depth):
            for run in runs.values():
                run.advance()
        for name, field in fields.items():
            self.assert_same(
                runs[name].own,
                walk(encoder, field),
                "two fields that share the encoder, walked stage by stage in turn, mix: between two calls it keeps "
                "something of its own. Hand everything on in the tokens",
            )

    def test_declared_batch_statistics_are_true(self) -> None:
        field, row = self.make(), torch.tensor([2])
        others = with_other_neighbours(field, 2, generator(1))
        found = list[Tokens]()
        for given in (field, others):
            encoder = shake(self.build().train(), size=OPEN)
            torch.manual_seed(0)  # the same dropout twice
            found.append(walk(encoder, given).pick(row))
        mixes = tokens_far(*found) > self.tolerance
        assert mixes <= encoder.batch_statistics, (
            "while training a sample depends on its neighbours, but batch_statistics is False. Set it (BatchNorm does "
            "this): absent samples are then kept out of the statistics."
        )
        keeps = bool(moved_buffers(encoder, lambda: walk(encoder, field)))
        assert encoder.batch_statistics <= (mixes or keeps), (
            "batch_statistics is True, but while training no sample depends on another, and no statistics are kept: "
            "absent fields would get no learned token for nothing."
        )

    def test_an_elastic_encoder_takes_inserted_tokens(self) -> None:
        encoder = self.ready()
        for stage in range(encoder.depth if encoder.elastic else 0):
            run = self.run_at(encoder, stage)
            length, guests = run.own.length, self.guests(encoder.widths[stage])
            run.prepend(guests)
            run.append(guests)
            own = run.finish()
            assert own.length == length, "inserted tokens change the number of the field's own: elastic is not true."
            assert own.values.isfinite().all(), "with inserted tokens something is not finite."

    def test_inserted_tokens_that_are_absent_change_nothing(self) -> None:
        encoder = self.ready()
        for stage in range(encoder.depth if encoder.elastic else 0):
            plain, run = self.run_at(encoder, stage).finish(), self.run_at(encoder, stage)
            guests = self.guests(encoder.widths[stage])
            gone = replace(guests, mask=torch.zeros_like(guests.mask), dense=False)
            run.prepend(gone)
            run.append(gone)
            self.assert_same(plain, run.finish(), f"masked tokens inserted before stage {stage} change the result")

    def run_at(self, encoder: Encoder, stage: int) -> Run:
        """The field's run, advanced to a stage."""
        run = model_of({"field": encoder}).eval().start(batch_of({"field": self.make()}))["field"]
        run.advance(stage)
        return run

    def guests(self, width: int) -> Tokens:
        """Two foreign tokens a sample."""
        return Tokens.of(torch.randn(self.samples, 2, width, generator=generator(9)))
