"""What a fusion promises."""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from mmcore.errors import BuildError
from mmcore.interfaces.field import Field
from mmcore.interfaces.fusion import Fusion, Port, Streams
from mmcore.interfaces.run import Run
from mmcore.model.multimodal import MultimodalModel
from mmcore.testing.absence import AbsenceContract
from mmcore.testing.flow import CUT, cut_off
from mmcore.testing.gpu import module_there, there
from mmcore.testing.module import generator
from mmcore.testing.perturb import (
    JUNK,
    real,
    tokens_far,
    with_filler,
    with_junk_in_masked_places,
    with_more_padding,
    with_other_neighbours,
)
from mmcore.testing.probes import Probe, probe_field
from mmcore.testing.reach import OPEN, shake
from mmcore.testing.streaming import StreamingContract
from mmcore.testing.walk import batch_of, dishonest, model_of

Fields = Mapping[str, Field]


class FusionContract(StreamingContract, AbsenceContract):
    """Inherit and name the fusion; its settings may name the fields `image`, `question` and `sound`::

    class TestFiLM(FusionContract):
        name = "film"
        settings = {"guide": "question", "guided": "image"}
    """

    kind = "fusion"
    ports: ClassVar[Mapping[str, Port]] = {
        "image": Port((4, 6, 5)),
        "question": Port((5, 5, 5), elastic=True),
        "sound": Port((3, 4)),
    }
    """Runs to fuse: an elastic one is ragged and causal, another a grid."""

    def build(self, *, seed: int = 0, turned: bool = False) -> Fusion:
        """The fusion."""
        names = sorted(self.ports, reverse=turned)
        return self.built({name: self.ports[name] for name in names}, seed=seed)

    def built(self, ports: Mapping[str, Port], *, seed: int = 0) -> Fusion:
        """The fusion over some ports."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed costs milliseconds where there is no GPU
            fusion: Fusion = self.plugins().fusion.build(self.part(), ports, where="fusion")
        return fusion

    def exercise(self, module: nn.Module) -> Sequence[Tensor]:
        """The real tokens of every stream, with a few samples absent."""
        assert isinstance(module, Fusion)
        fields = self.fields()
        fields = {**fields, "image": fields["image"].hide(torch.tensor([1]))} if "image" in fields else fields
        streams = self.streams(module, fields)
        return [real(streams[name]) for name in sorted(streams)]

    def on_a_gpu(self, module: nn.Module) -> object:
        """Every stream."""
        assert isinstance(module, Fusion)
        model = module_there(self.model(module))
        return model.fusion(model.start(there(batch_of(self.fields()))))

    def fields(self, seed: int = 0) -> dict[str, Field]:
        """A batch of every port's field."""
        draw = generator(seed)
        return {name: probe_field(self.ports[name], self.samples, draw) for name in sorted(self.ports)}

    def model(self, fusion: Fusion, *, blank: bool = False, junk: float = 0.0) -> MultimodalModel:
        """The fusion between probes, which are the same each time but for the `junk` in masked places."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(42)
            probes = {name: Probe(self.ports[name], junk=junk) for name in sorted(self.ports)}
        return model_of(probes, fusion, blank=blank).train(fusion.training)

    def streams(self, fusion: Fusion, fields: Fields, *, blank: bool = False) -> Streams:
        """What the fusion makes of the fields."""
        model = self.model(fusion, blank=blank)
        found: Streams = model.fusion(model.start(batch_of(fields)))
        return found

    def ready(self) -> Fusion:
        """The fusion in evaluation mode, its gates open."""
        return shake(self.build().eval(), size=OPEN)

    def assert_same(self, one: Streams, other: Streams, why: str) -> None:
        """Fail with `why` where a stream's real tokens differ."""
        for name in sorted(one):
            distance = tokens_far(one[name], other[name])
            assert distance < self.tolerance, f"{why} (stream {name!r}, relative difference {distance:.2g})"

    def test_it_writes_what_it_declares(self) -> None:
        fusion = self.ready()
        widths = {name: tokens.width for name, tokens in self.streams(fusion, self.fields()).items()}
        assert widths == dict(fusion.writes), f"writes says {dict(fusion.writes)}, but the streams are {widths}."

    def test_every_run_is_finished(self) -> None:
        fusion = self.ready()
        runs = self.model(fusion).start(batch_of(self.fields()))
        fusion(runs)
        waiting = [name for name, run in runs.items() if run.at < run.depth]
        assert not waiting, f"the runs of {waiting} are not finished: their encoders would never train whole."

    def test_declared_taps_are_true(self) -> None:
        fusion = self.ready()
        assert set(fusion.taps) == set(self.ports), f"taps must name every field; it names {sorted(fusion.taps)}."
        whole = self.streams(fusion, self.fields())
        for name in sorted(self.ports):
            runs = self.with_one_finished(fusion, name)
            if fusion.taps[name] == "between":
                with pytest.raises(BuildError):
                    fusion(runs)
            else:
                try:
                    cached = fusion(runs)
                except BuildError as error:
                    pytest.fail(f"taps says 'end' for {name!r}, but the fusion goes between its stages: {error}")
                self.assert_same(whole, cached, f"cached features of {name!r} give something else; is it tapped 'end'?")

    def test_joint_depends_on_every_field(self) -> None:
        fusion = self.ready()
        if "joint" not in fusion.writes:
            return
        fields = self.fields()
        whole = self.streams(fusion, fields)["joint"]
        for name, field in fields.items():
            moved = {**fields, name: field.with_values(field.values + 1)}
            other = self.streams(fusion, moved)["joint"]
            assert tokens_far(whole, other) > 1e-6, f"`joint` does not depend on {name!r}: it would be in vain."

    def test_every_field_learns_of_what_it_changes(self) -> None:
        fusion, fields = self.ready(), self.fields()

        def compute(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
            moved = {name: field.with_values(values[name]) for name, field in fields.items()}
            return {name: real(tokens) for name, tokens in self.streams(fusion, moved).items()}

        lost = cut_off(compute, {name: field.values for name, field in fields.items()})
        assert not lost, f"{lost} change a stream and get no gradient from it: their encoders never learn. {CUT}"

    def test_flags_of_streams_are_true(self) -> None:
        fields = {name: field.hide(torch.tensor([1])) for name, field in self.fields().items()}
        for given in (self.fields(), fields):
            for name, tokens in self.streams(self.ready(), given).items():
                assert (fault := dishonest(tokens)) is None, f"in the stream {name!r}, {fault}."

    def test_filler_of_absent_samples_changes_nothing(self) -> None:
        rows = torch.tensor([1, 4])
        for name, field in self.fields().items():
            absent = {**self.fields(), name: field.hide(rows)}
            other = {**absent, name: with_filler(field.hide(rows), rows, generator(1))}
            one, two = self.streams(self.ready(), absent), self.streams(self.ready(), other)
            self.assert_same(one, two, f"what stands in absent rows of {name!r} changes the result")

    def test_masked_tokens_change_nothing(self) -> None:
        fusion, fields = self.ready(), self.fields()
        clean, dirty = (self.model(fusion, junk=junk).start(batch_of(self.hidden(fields))) for junk in (0.0, JUNK))
        self.assert_same(fusion(clean), fusion(dirty), "masked tokens change the result: pool and mix with the mask")

    def test_absent_samples_need_not_go_through_the_stages(self) -> None:
        fusion, fields = self.ready(), self.hidden(self.fields())
        through = self.streams(fusion, fields)
        runs = {
            name: Run(name, run.encoder, tokens=run.own, rows=fields[name].present.nonzero().squeeze(1))
            for name, run in self.model(fusion).start(batch_of(fields)).items()
        }
        self.assert_same(
            through,
            fusion(runs),
            "what a stage makes of an absent sample changes the result: leave it out of every mean",
        )

    def test_junk_in_masked_places_changes_nothing(self) -> None:
        fields = self.fields()
        other = {name: with_junk_in_masked_places(field, generator(1)) for name, field in fields.items()}
        one, two = self.streams(self.ready(), fields), self.streams(self.ready(), other)
        self.assert_same(one, two, "values where the mask is False change the result")

    def test_more_padding_changes_nothing(self) -> None:
        fields = self.fields()
        other = {name: with_more_padding(field, generator(1)) for name, field in fields.items()}
        one, two = self.streams(self.ready(), fields), self.streams(self.ready(), other)
        self.assert_same(one, two, "the result depends on how far a batch is padded: count real tokens, not positions")

    @pytest.mark.parametrize("training", [False, True])
    def test_neighbours_in_the_batch_change_nothing(self, training: bool) -> None:
        fields, row = self.fields(), torch.tensor([2])
        other = {name: with_other_neighbours(field, 2, generator(1)) for name, field in fields.items()}
        fusion, found = shake(self.build().train(training), size=OPEN), list[Streams]()
        for given in (fields, other):
            torch.manual_seed(0)  # the same dropout twice
            found.append(_picked(self.streams(fusion, given), row))
        self.assert_same(
            found[0], found[1], "a sample depends on its neighbours in the batch: a mean over the wrong axis?"
        )

    def test_absence_of_a_neighbour_changes_nothing(self) -> None:
        fields, left = self.fields(), torch.tensor([0, 2, 3, 5])
        other = {name: field.hide(torch.tensor([1, 4])) for name, field in fields.items()}
        one, two = self.streams(self.ready(), fields), self.streams(self.ready(), other)
        self.assert_same(_picked(one, left), _picked(two, left), "a sample changes when another one is absent")

    def test_permuting_samples_permutes_the_result(self) -> None:
        fields, order = self.fields(), torch.randperm(self.samples, generator=generator(2))
        one = self.streams(self.ready(), fields)
        two = self.streams(self.ready(), {name: field.pick(order) for name, field in fields.items()})
        self.assert_same(_picked(one, order), two, "the place of a sample in the batch changes its result")

    def test_one_field_alone_is_fused_or_refused(self) -> None:
        for name, port in self.ports.items():
            try:
                fusion = self.built({name: port}).eval()
                runs = model_of({name: Probe(port)}, fusion).start(batch_of({name: self.fields()[name]}))
                streams = fusion(runs)
            except BuildError:
                continue
            except Exception as error:
                pytest.fail(f"{name!r} alone ends in {error!r}. Raise BuildError where one field is too few.")
            assert all(tokens.values.isfinite().all() for tokens in streams.values()), f"{name!r} alone: not finite."

    def test_a_field_may_have_any_name(self) -> None:
        awkward = {"type": Port((3, 4)), "values": Port((2, 2), elastic=True)}
        fusion = self.built({**self.ports, **awkward})
        assert set(fusion.taps) == {*self.ports, *awkward}, "taps must name every field."

    def with_one_finished(self, fusion: Fusion, name: str) -> dict[str, Run]:
        """Runs of which one starts finished, as with cached features."""
        model = self.model(fusion)
        end = model.start(batch_of(self.fields()))[name].finish()
        runs = model.start(batch_of(self.fields()))
        return {**runs, name: Run(name, model.encoder(name), tokens=end, finished=True)}

    def hidden(self, fields: Fields) -> dict[str, Field]:
        """Each field absent in a sample of its own."""
        return {name: field.hide(torch.tensor([n])) for n, (name, field) in enumerate(sorted(fields.items()))}


def _picked(streams: Streams, rows: Tensor) -> Streams:
    return {name: tokens.pick(rows) for name, tokens in streams.items()}
