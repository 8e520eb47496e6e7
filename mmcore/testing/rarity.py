"""What an encoder promises while it trains and few samples have its field, or none: filler teaches it nothing."""

# B = samples of a batch

import torch
from torch import Tensor

from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.testing.module import ModuleContract, moved_buffers
from mmcore.testing.perturb import far
from mmcore.testing.walk import walk


class RarityContract(ModuleContract):
    """The part of the encoders' contract that concerns training on batches in which samples lack the field."""

    def build(self, *, seed: int = 0, turned: bool = False) -> Encoder:
        """The encoder."""
        raise NotImplementedError

    def make(self, seed: int = 0) -> Field:
        """The tests' field."""
        raise NotImplementedError

    def test_trains_with_everything_absent(self) -> None:
        self.assert_trains(self.make().hide(torch.arange(self.samples)), "every sample absent")

    def test_trains_with_one_sample_present(self) -> None:
        for field in (self.make().hide(torch.arange(1, self.samples)), self.make().pick(torch.tensor([2]))):
            self.assert_trains(field, f"one sample of {len(field)} present")

    def test_a_batch_that_lacks_the_field_moves_no_buffer(self) -> None:
        encoder, field = self.build().train(), self.make().hide(torch.arange(self.samples))
        moved = moved_buffers(encoder, lambda: walk(encoder, field))
        assert not moved, (
            f"with every sample absent, {moved[:3]} move while training: they keep statistics of filler. Set "
            "batch_statistics: absent samples are then kept out of them."
        )

    def test_absent_samples_beside_present_ones_move_no_buffer(self) -> None:
        field, gone, left = self.make(), torch.tensor([1, 4]), torch.tensor([0, 2, 3, 5])
        buffers = list[dict[str, Tensor]]()
        for given in (field.hide(gone), field.pick(left)):
            encoder = self.build().train()
            torch.manual_seed(0)  # the same dropout twice
            walk(encoder, given)
            buffers.append(dict(encoder.named_buffers()))
        differ = [name for name, buffer in buffers[0].items() if far(buffer, buffers[1][name]) > self.tolerance]
        assert not differ, (
            f"while training {differ[:3]} move otherwise where absent samples stand beside those that are present. Set "
            "batch_statistics: absent samples are then kept out of them."
        )

    def assert_trains(self, field: Field, case: str) -> None:
        """Fail where a training step on the field gives something that is not finite."""
        encoder = self.build().train()
        tokens = walk(encoder, field)
        assert tokens.values.isfinite().all(), f"while training with {case}, something is not finite."
        torch.autograd.backward(tokens.values.sum() + 0 * sum(p.sum() for p in encoder.parameters()))
        broken = [n for n, p in encoder.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        assert not broken, f"with {case}, {broken[:3]} get a gradient that is not finite."
