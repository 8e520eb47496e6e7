"""Whether work on a GPU would wait for it: found out on fake tensors, so that no GPU is needed."""

from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedOperatorException,
)
from torch.utils._python_dispatch import TorchDispatchMode

from mmcore.interfaces.field import Field

GPU = "cuda"


def waits_on_a_gpu(work: Callable[[Field], object], field: Field) -> list[str]:
    """What of `work` on a field that lies on a GPU waits for the GPU: copies that block, numbers that are asked for.

    The work is done twice, and only the second time counts: what it needs on the device it may bring there once.
    """
    copies = _Copies()
    with FakeTensorMode(allow_non_fake_inputs=True):
        there = _there(field)
        try:
            work(there)
            with copies:
                work(there)
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            return [f"{error.func} asks the device for numbers"]
        except UnsupportedOperatorException:
            return []  # an operator that cannot be tried out without its device
    return copies.blocking


def _there(field: Field) -> Field:
    def fake(tensor: torch.Tensor | None) -> Any:
        return None if tensor is None else torch.empty(tensor.shape, dtype=tensor.dtype, device=GPU)

    return Field(fake(field.values), fake(field.present), fake(field.mask), fake(field.scored), field.complete)


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
