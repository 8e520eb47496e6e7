"""What every plugin that is a torch module promises: it trains, it is saved whole, it is the same for the same seed."""

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward

from mmcore.errors import BuildError, ConfigError
from mmcore.registry.settings import Part
from mmcore.testing.declared import declared_points, space_of
from mmcore.testing.gpu import fault_on_a_gpu
from mmcore.testing.perturb import far
from mmcore.testing.plugin import OF_THE_CORE, UNSET, PluginContract, no_network
from mmcore.testing.reach import reachable, shake

DRAWS = 12
"""Points of a declared space that are built."""
SAME = 2e-5
"""How far two ways to compute the same may lie apart, relative to the numbers' size."""


def generator(seed: int = 0) -> torch.Generator:
    """A generator of its own for one test."""
    return torch.Generator().manual_seed(seed)


class ModuleContract(PluginContract):
    """A subclass says how the module is built and how everything it computes is had."""

    samples = 6
    """B of the batches that the tests make."""
    tolerance = SAME

    def build(self, *, seed: int = 0, turned: bool = False) -> nn.Module:
        """The module with weights of `seed`; `turned` hands in what it gets by name in the opposite order."""
        raise NotImplementedError

    def exercise(self, module: nn.Module) -> Sequence[Tensor]:
        """Everything that the module computes for one batch, the same batch each time."""
        raise NotImplementedError

    def on_a_gpu(self, module: nn.Module) -> object:
        """Everything that the module computes, itself and its inputs `there`; no number is asked for."""
        raise NotImplementedError

    def assert_close(self, one: Tensor, other: Tensor, why: str) -> None:
        """Fail with `why` where two tensors differ by more than rounding."""
        distance = far(one, other)
        assert distance < self.tolerance, f"{why} (largest relative difference: {distance:.2g})"

    def test_the_same_seed_gives_the_same_model(self) -> None:
        one, other = self.build(seed=3).state_dict(), self.build(seed=3).state_dict()
        differ = [name for name in one if not torch.equal(one[name], other[name])]
        assert one.keys() == other.keys(), "two models of one seed have other parameters."
        assert not differ, (
            f"{_few(differ)} differ between two models of one seed. Draw initial weights from torch's global "
            "generator, and iterate over nothing whose order is chance (a set)."
        )

    def test_the_order_of_keys_does_not_change_the_model(self) -> None:
        one, other = self.build(seed=3), self.build(seed=3, turned=True)
        names, others = list(one.state_dict()), list(other.state_dict())
        assert names == others, "the order of keys in YAML changes the order of parameters. Walk sorted(...)."
        differ = [
            name for name, tensor in one.state_dict().items() if not torch.equal(tensor, other.state_dict()[name])
        ]
        assert not differ, f"the order of keys in YAML changes the initial {_few(differ)}. Walk sorted(...)."
        for left, right in zip(self.exercise(one.eval()), self.exercise(other.eval()), strict=True):
            self.assert_close(left, right, "the order of keys in YAML changes what comes out. Walk sorted(...).")

    def test_every_parameter_gets_a_gradient(self) -> None:
        module = self.build().train()
        shake(module)
        backward(weighted_sum(self.exercise(module)))
        dead = [
            name
            for name, parameter in module.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
        ]
        assert not dead, (
            f"{_few(dead)} get no gradient: they are made but never used, or cut off by detach, no_grad or an argmax."
        )

    def test_gradients_are_finite(self) -> None:
        module = self.build().train()
        backward(weighted_sum(self.exercise(module)))
        broken = [n for n, p in module.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        assert not broken, (
            f"{_few(broken)} get a gradient that is not finite: a division by 0, or a softmax of nothing?"
        )

    def test_every_tensor_is_restored_by_load_state_dict(self) -> None:
        source, target = self.build(seed=0), self.build(seed=1)
        self.exercise(target)  # so that what is made at the first call is there in both
        _train_a_little(source, self.exercise(source.train()))
        target.load_state_dict(source.state_dict())
        held, restored = reachable(source), reachable(target)
        assert held.keys() == restored.keys(), "two models of other seeds hold other tensors."
        lost = [path for path in held if not torch.equal(held[path], restored[path])]
        assert not lost, (
            f"{_few(lost)} are not restored by load_state_dict: a saved model would come back as another one. Tensors "
            "and modules in a Python list or dict are unknown to torch: use nn.Parameter, register_buffer, "
            "nn.ModuleList, nn.ParameterList."
        )
        for left, right in zip(self.exercise(source.eval()), self.exercise(target.eval()), strict=True):
            self.assert_close(left, right, "a restored model computes something else than the one that was saved.")

    def test_every_parameter_is_registered(self) -> None:
        module = self.build()
        known = {id(tensor) for tensor in [*module.parameters(), *module.buffers()]}
        unknown = [
            path for path, tensor in reachable(module).items() if tensor.requires_grad and id(tensor) not in known
        ]
        assert not unknown, (
            f"{_few(unknown)} want gradients but are no registered parameters: the optimizer never sees them, and they "
            "are not saved. A Python list hides them: use nn.ParameterList, nn.ModuleList."
        )

    def test_it_runs_on_a_gpu(self) -> None:
        module = self.build().eval()
        fault = fault_on_a_gpu(lambda: self.on_a_gpu(module))
        assert fault is None, (
            f"on a GPU it would fail: {fault} Make new tensors where those are that came (device=values.device), and "
            "keep constants by register_buffer."
        )

    def test_bf16_autocast_is_finite(self) -> None:
        module = self.build().eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            found = self.exercise(module)
        assert all(tensor.isfinite().all() for tensor in found), (
            "under bfloat16 autocast something is not finite. A constant like -1e38 or 1e-12 may not fit: take "
            "torch.finfo(values.dtype).min, or compute this step in float32."
        )

    def test_the_same_input_gives_the_same_output(self) -> None:
        module = self.build().eval()
        with torch.no_grad():
            pairs = zip(self.exercise(module), self.exercise(module), strict=True)
            assert all(torch.equal(one, other) for one, other in pairs), (
                "in evaluation mode the same batch gives another result the second time: is something kept between "
                "calls, or drawn at random outside nn.Dropout?"
            )

    def test_what_it_declares_can_be_searched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plugins, settings = self.plugins(), self.usual()
        space = space_of(self.kind, self.name, settings, plugins=plugins)
        assert space is None or not space.outside(), (
            f"the usual settings lie outside the ranges that are declared for a search: {space.outside()}."
        )
        if self._misfit(settings, monkeypatch):
            return  # it does not fit what these tests hand in: widths that no usual number of heads divides
        points = declared_points(self.kind, self.name, settings, count=DRAWS, plugins=plugins)
        reasons = [reason for point in points if (reason := self._misfit(point, monkeypatch))]
        assert len(reasons) <= DRAWS // 2, (
            f"{len(reasons)} of {DRAWS} points of the ranges that it declares cannot be built ({reasons[0]}). Say by "
            "soft_low, soft_high, step and log=True of Range what is worth a training."
        )

    def _misfit(self, settings: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> str | None:
        """Why it cannot be built with these settings; None where it can."""
        monkeypatch.setattr(self, "part", lambda: Part(self.name, settings))
        try:
            try:
                with torch.device("meta"):  # shapes alone: the largest of them costs nothing
                    self.build()
            except RuntimeError:  # it wants a number while it is built
                self.build()
        except (BuildError, ConfigError) as error:
            return str(error)
        return None

    def usual(self) -> dict[str, Any]:
        """What the package ships, and the tests' own settings where that has no default."""
        shipped = {key: value for key, value in self.shipped().items() if key not in OF_THE_CORE and value != UNSET}
        return {**shipped, **{key: value for key, value in self.settings.items() if key not in shipped}}

    def test_building_opens_no_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket.socket, "connect", no_network)
        self.build()


def moved_buffers(module: nn.Module, compute: Callable[[], object]) -> list[str]:
    """The names of the buffers that are others after `compute` than before."""
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    compute()
    return [name for name, buffer in module.named_buffers() if not torch.equal(before[name], buffer)]


def weighted_sum(tensors: Sequence[Tensor]) -> Tensor:
    """A scalar that depends on every number in its own way: a plain sum is blind behind a normalisation."""
    draw = generator(11)
    parts = [(tensor.float() * torch.randn(tensor.shape, generator=draw)).sum() for tensor in tensors]
    return torch.stack([part for part in parts if part.requires_grad]).sum()


def _train_a_little(module: nn.Module, outputs: Sequence[Tensor]) -> None:
    """One step of plain descent on every leaf that wants a gradient, registered or not."""
    backward(weighted_sum(outputs))
    with torch.no_grad():
        for tensor in reachable(module).values():
            if tensor.is_leaf and tensor.requires_grad and tensor.grad is not None:
                tensor -= 1e-2 * tensor.grad.sign()
                tensor.grad = None


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
