"""What would happen on a GPU, found out on fake tensors, so that none is needed: they know where they lie, not what."""

import re
import warnings
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedOperatorException,
)
from torch.utils._python_dispatch import TorchDispatchMode

from mmcore.interfaces.field import Field

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)

GPU = "cuda"
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
        except (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException):
            return None
        except RuntimeError as error:
            return str(error).partition("\n")[0] if APART.search(str(error)) else None
    return None


def waits_on_a_gpu(work: Callable[[Field], object], field: Field) -> list[str]:
    """What of `work` on a field that lies on a GPU waits for the GPU: copies that block, numbers that are asked for.

    The work is done twice, and only the second time counts: what it needs on the device it may bring there once.
    """
    copies = _Copies()
    with FakeTensorMode(allow_non_fake_inputs=True):
        on_device = there(field)
        try:
            work(on_device)
            with copies:
                work(on_device)
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            return [f"{error.func} asks the device for numbers"]
        except UnsupportedOperatorException:
            return []  # an operator that cannot be tried out without its device
    return copies.blocking


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


class _Copies(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes each copy between devices that blocks."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.blocking = list[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default:
            tensor, blocks = args[0], not (kwargs or {}).get("non_blocking", False)
            if blocks and tensor.device.type != found.device.type:
                self.blocking.append(f"a copy of {list(tensor.shape)} from {tensor.device} to {found.device} blocks")
        return found
