"""What would happen on a GPU, found out on fake tensors, so that none is needed: they know where they lie, not what."""

import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from mmcore.interfaces.field import Field

aten = torch.ops.aten

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)

GPU = "cuda"
CANNOT_TELL = (RuntimeError, TypeError, ValueError, NotImplementedError, AssertionError)
"""What fake tensors raise where work needs values that they have not, or a device that is not there."""
APART = re.compile("different devices|same device")
"""What torch says where tensors of two devices meet."""


def fault_on_a_gpu(work: Callable[[], object]) -> str | None:
    """What torch says against tensors of two devices that meet in `work`, which brings what it needs `there`.

    None where nothing is said, and where it cannot be found out: a number that is asked for has no value here.
    """
    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own, where a network of a GPU's library is only looked at
        try:
            work()
        except CANNOT_TELL as error:
            return str(error).partition("\n")[0] if APART.search(str(error)) else None
    return None


def waits_on_a_gpu(work: Callable[[Field], object], field: Field) -> list[str]:
    """What of `work` on a field that lies on a GPU waits for the GPU: copies that block, numbers that are asked for.

    The work is done on the field as it is, so that what is kept of it is real; then twice on the device, and only the
    second time counts: what it needs there it may bring there once. What cannot be tried out is let pass.
    """
    work(field)
    watch = _Watch()
    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own: there is no such device here
        on_device = there(field)
        for _ in range(2):
            watch.seen.clear()
            with suppress(*CANNOT_TELL), watch:
                work(on_device)
    return watch.seen


def there(value: T) -> T:
    """Tensors, and what holds them by name or as a dataclass, on the GPU; the rest as it is."""
    found: Any = value
    if isinstance(value, Tensor):
        found = torch.empty(value.shape, dtype=value.dtype, device=GPU)
    elif isinstance(value, dict):
        found = {key: there(part) for key, part in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(value, **{part.name: there(getattr(value, part.name)) for part in fields(value)})
    return found  # type: ignore[no-any-return]


def module_there(module: M) -> M:
    """The module, its parameters and buffers on the GPU: what it holds otherwise stays behind, as in a training."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = nn.Parameter(there(parameter), requires_grad=parameter.requires_grad)
        for name, buffer in part._buffers.items():
            part._buffers[name] = there(buffer)
        if isinstance(part, nn.RNNBase):  # which keeps its parameters in a list besides
            part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]
    return module


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes each copy between devices that blocks, and each number that a GPU is asked for: it is told 1."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = list[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is aten._pin_memory.default:
            return args[0]  # nothing that fake tensors know
        if func is aten._local_scalar_dense.default:
            self._asks(func, args[0])
            return _one(args[0].dtype)
        if func in (aten.nonzero.default, aten.masked_select.default):
            self._asks(func, args[0])
        if func in (aten.index.Tensor, aten.index_put.default, aten.index_put_.default):
            for index in args[1]:
                if index is not None and index.dtype == torch.bool:
                    self._asks(func, index)
        found = func(*args, **given)
        if func is aten._to_copy.default:
            self._copies(args[0], found, blocks=not given.get("non_blocking", False))
        elif func is aten.copy_.default:
            self._copies(args[1], args[0], blocks=not (given.get("non_blocking", False) or any(args[2:])))
        return found

    def _asks(self, func: Any, tensor: Tensor) -> None:
        if tensor.device.type == GPU:
            self.seen.append(f"{func} asks the device for numbers")

    def _copies(self, source: Tensor, target: Tensor, *, blocks: bool) -> None:
        if blocks and source.device.type != target.device.type:
            self.seen.append(f"a copy of {list(source.shape)} from {source.device} to {target.device} blocks")


def _one(dtype: torch.dtype) -> float | int | bool:
    if dtype == torch.bool:
        return True
    return 1.0 if dtype.is_floating_point else 1
