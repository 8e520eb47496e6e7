"""What a fusion promises of fields that a sample lacks: finite everywhere, and no constant in their place."""

# B = samples of a batch

from collections.abc import Mapping

import torch
from torch import nn

from mmcore.interfaces.field import Field
from mmcore.interfaces.fusion import Fusion, Streams
from mmcore.testing.module import ModuleContract, moved_buffers, weighted_sum
from mmcore.testing.perturb import real


class AbsenceContract(ModuleContract):
    """The part of the fusions' contract that concerns absent fields."""

    def build(self, *, seed: int = 0, turned: bool = False) -> Fusion:
        """The fusion."""
        raise NotImplementedError

    def ready(self) -> Fusion:
        """The fusion in evaluation mode."""
        raise NotImplementedError

    def fields(self, seed: int = 0) -> dict[str, Field]:
        """A batch of every port's field."""
        raise NotImplementedError

    def streams(self, fusion: Fusion, fields: Mapping[str, Field], *, blank: bool = False) -> Streams:
        """What the fusion makes of the fields."""
        raise NotImplementedError

    def test_finite_with_everything_absent(self) -> None:
        everyone = torch.arange(self.samples)
        fields = {name: field.hide(everyone) for name, field in self.fields().items()}
        for blank in (False, True):
            for name, tokens in self.streams(self.ready(), fields, blank=blank).items():
                assert tokens.values.isfinite().all(), (
                    f"with every field absent the stream {name!r} is not finite: a softmax or a mean over nothing?"
                )

    def test_gradients_are_finite_with_everything_absent(self) -> None:
        fusion, everyone = self.build().train(), torch.arange(self.samples)
        fields = {name: field.hide(everyone) for name, field in self.fields().items()}
        total = torch.stack([tokens.values.sum() for tokens in self.streams(fusion, fields).values()]).sum()
        torch.autograd.backward(total + 0 * sum(parameter.sum() for parameter in fusion.parameters()))
        broken = [n for n, p in fusion.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        assert not broken, f"with every field absent, {broken[:3]} get a gradient that is not finite."

    def test_a_batch_that_lacks_every_field_moves_no_buffer(self) -> None:
        fusion, everyone = self.build().train(), torch.arange(self.samples)
        fields = {name: field.hide(everyone) for name, field in self.fields().items()}
        moved = moved_buffers(fusion, lambda: self.streams(fusion, fields))
        assert not moved, f"with every field absent, {moved[:3]} move while training: statistics are kept of nothing."

    def test_finite_with_one_field_absent(self) -> None:
        for name, field in self.fields().items():
            streams = self.streams(self.ready(), {**self.fields(), name: field.hide(torch.tensor([1, 4]))})
            assert all(tokens.values.isfinite().all() for tokens in streams.values()), (
                f"something is not finite where {name!r} is absent."
            )

    def test_an_absent_field_adds_no_constant(self) -> None:
        for name, field in self.fields().items():
            fusion, fields = self.ready(), {**self.fields(), name: field.hide(torch.arange(self.samples))}
            torch.autograd.backward(weighted_sum([real(tokens) for tokens in self.streams(fusion, fields).values()]))
            for path, layer in fusion.named_modules():
                moves = {key: _moves(parameter) for key, parameter in layer.named_parameters(recurse=False)}
                assert not moves.get("bias") or moves.get("weight", True), (
                    f"with {name!r} absent everywhere, {path}.weight sees nothing but zeros, and still {path}.bias "
                    "counts: a constant is added for a field that does not exist. Mask what the layer gives."
                )

    def test_joint_is_absent_where_every_field_is(self) -> None:
        fusion, gone = self.ready(), torch.tensor([1])
        if "joint" in fusion.writes:
            streams = self.streams(fusion, {name: field.hide(gone) for name, field in self.fields().items()})
            expected = [n != 1 for n in range(self.samples)]
            assert streams["joint"].present.tolist() == expected, (
                "`joint` must be there where any field is, and absent where none is: a task would answer from nothing."
            )


def _moves(parameter: nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
