"""What a connector promises."""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from mmcore.interfaces.connector import Connector
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.flow import CUT, cut_off
from mmcore.testing.gpu import module_there, there
from mmcore.testing.module import ModuleContract, generator, moved_buffers
from mmcore.testing.perturb import junk, real, tokens_far, tokens_with_more_padding
from mmcore.testing.reach import OPEN, shake
from mmcore.testing.walk import dishonest


class ConnectorContract(ModuleContract):
    """Inherit and name the connector; give `tokens` of your own where it needs a grid."""

    kind = "connector"
    width: ClassVar[int] = 6
    width_out: ClassVar[int] = 10

    def tokens(self, samples: int, generator: torch.Generator) -> Tokens:
        """[B,N,width], every sample present; here with rows of several lengths."""
        lengths = torch.randint(2, 6, (samples, 1), generator=generator)
        lengths[0] = 5
        return Tokens.of(torch.randn(samples, 5, self.width, generator=generator), torch.arange(5) < lengths)

    def build(self, *, seed: int = 0, turned: bool = False) -> Connector:
        """The connector."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made: Connector = self.plugins().connector.build(self.part(), self.width, self.width_out, where="connector")
        return made

    def exercise(self, module: nn.Module) -> Sequence[Tensor]:
        """The real tokens that come out."""
        return [real(module(self.make()))]

    def on_a_gpu(self, module: nn.Module) -> object:
        """What comes out."""
        return module_there(module)(there(self.make()))

    def ready(self) -> Connector:
        """The connector in evaluation mode, its gates open."""
        return shake(self.build().eval(), size=OPEN)

    def make(self) -> Tokens:
        """The tests' tokens."""
        return self.tokens(self.samples, generator())

    def without(self, rows: Tensor) -> Tokens:
        """The tests' tokens, absent in `rows`."""
        tokens = self.make()
        mask = tokens.mask.clone()
        mask[rows] = False
        return replace(tokens, mask=mask, dense=False).zeroed()

    def assert_same(self, one: Tokens, other: Tokens, why: str) -> None:
        """Fail with `why` where the real tokens differ."""
        distance = tokens_far(one, other)
        assert distance < self.tolerance, f"{why} (largest relative difference: {distance:.2g})"

    def test_the_declared_width_is_true(self) -> None:
        connector = self.ready()
        assert connector.width_out == self.width_out, "width_out must be the width that was asked for."
        found = connector(self.make()).width
        assert found == self.width_out, f"tokens of width {found} come out, not of {self.width_out}."

    def test_what_comes_in_learns_of_what_it_changes(self) -> None:
        connector, tokens = self.ready(), self.make()
        lost = cut_off(lambda given: {"out": real(connector(tokens.with_values(given["in"])))}, {"in": tokens.values})
        assert not lost, f"what comes in changes what comes out and gets no gradient from it. {CUT}"

    def test_flags_of_tokens_are_true(self) -> None:
        for tokens in (self.make(), self.without(torch.tensor([1]))):
            assert (fault := dishonest(self.ready()(tokens))) is None, f"of what comes out, {fault}."

    def test_absent_samples_stay_absent_and_present_ones_present(self) -> None:
        tokens = self.without(torch.tensor([1, 4]))
        found = self.ready()(tokens)
        assert torch.equal(found.present, tokens.present), (
            "a sample must be present before and after, or neither. Learned queries make tokens for absent samples: "
            "mask them."
        )

    def test_finite_with_everything_absent(self) -> None:
        found = self.ready()(self.without(torch.arange(self.samples)))
        assert found.values.isfinite().all(), (
            "with every sample absent something is not finite: a softmax over nothing?"
        )

    def test_absent_samples_move_no_buffer(self) -> None:
        connector, tokens = self.build().train(), self.without(torch.arange(self.samples))
        moved = moved_buffers(connector, lambda: connector(tokens))
        assert not moved, f"with every sample absent, {moved[:3]} move while training: statistics are kept of nothing."

    def test_gradients_are_finite_where_samples_are_absent(self) -> None:
        for absent in (torch.arange(self.samples), torch.tensor([1])):
            connector, tokens = self.build().train(), self.without(absent)
            tokens.values.requires_grad_()
            total = connector(tokens).values.sum()
            torch.autograd.backward(total + 0 * sum(parameter.sum() for parameter in connector.parameters()))
            pulled = {**dict(connector.named_parameters()), "the tokens that came in": tokens.values}
            broken = [name for name, pull in pulled.items() if pull.grad is not None and not pull.grad.isfinite().all()]
            assert not broken, (
                f"with {len(absent)} of {self.samples} samples absent, {broken[:3]} get a gradient that is not finite. "
                "A softmax or a root of nothing leaves NaN in the gradient even where the value is put away "
                "afterwards: keep it from coming up."
            )

    def test_junk_in_masked_places_changes_nothing(self) -> None:
        tokens, connector = self.without(torch.tensor([1])), self.ready()
        noise = torch.where(tokens.mask.unsqueeze(-1), tokens.values, junk(tokens.values, generator(1)))
        one, two = connector(tokens), connector(tokens.with_values(noise))
        self.assert_same(one, two, "values where the mask is False change the result")

    def test_more_padding_changes_nothing(self) -> None:
        tokens, connector = self.make(), self.ready()
        if tokens.grid is None:  # a grid has no padding behind
            self.assert_same(
                connector(tokens),
                connector(tokens_with_more_padding(tokens, generator(1))),
                "the result depends on how far a batch is padded: count real tokens, not positions",
            )

    def test_a_sample_alone_gives_the_same(self) -> None:
        tokens, row, connector = self.make(), torch.tensor([2]), self.ready()
        one, two = connector(tokens).pick(row), connector(tokens.pick(row))
        self.assert_same(one, two, "a sample alone gives something else than the same sample in a batch")

    @pytest.mark.parametrize("training", [False, True])
    def test_neighbours_in_the_batch_change_nothing(self, training: bool) -> None:
        tokens, row = self.make(), torch.tensor([2])
        connector, found = shake(self.build().train(training), size=OPEN), list[Tokens]()
        values = junk(tokens.values, generator(1)) / 1e4
        values[2] = tokens.values[2]
        for given in (tokens, tokens.with_values(values)):
            torch.manual_seed(0)  # the same dropout twice
            found.append(connector(given).pick(row))
        self.assert_same(found[0], found[1], "a sample depends on its neighbours in the batch")

    def test_permuting_samples_permutes_the_result(self) -> None:
        tokens, order = self.make(), torch.randperm(self.samples, generator=generator(2))
        connector = self.ready()
        one, two = connector(tokens).pick(order), connector(tokens.pick(order))
        self.assert_same(one, two, "the place of a sample in the batch changes its result")
