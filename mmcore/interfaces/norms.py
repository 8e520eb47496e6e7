"""Norms over a batch where hardly a row goes through: filler leaves no trace, and one row alone is no batch."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def trains(module: nn.Module) -> bool:
    """Whether any part is in training mode: parts that thaw early are so within one that is not."""
    return any(part.training for part in module.modules())


@contextmanager
def few_rows(module: nn.Module, *, real: int) -> Iterator[None]:
    """Inside, `module` may be called with `real` rows of its batch, or with filler where there is none.

    Of two rows and more, nothing changes. Filler leaves every buffer (running statistics) as it was. A norm that would
    see a single value for each channel, which has no deviation, goes by its running statistics, if it keeps any; those
    that see more learn from one row as from many.
    """
    if real > 1 or not trains(module):
        yield
        return
    with ExitStack() as stack:
        if getattr(module, "_compiled_call_impl", None) is not None:
            # A program does not know what is put in place of norms below, and would be for this size alone.
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if not real:
            stack.enter_context(_untouched(module))
        for norm in module.modules():
            if isinstance(norm, _BatchNorm) and norm.training and norm.running_var is not None:
                stack.enter_context(_lone_value_spared(norm))
        yield


@contextmanager
def _untouched(module: nn.Module) -> Iterator[None]:
    """Inside, copies stand for the buffers: a backward pass may want those there were."""
    own = [(part, dict(part._buffers)) for part in module.modules() if part._buffers]
    for part, buffers in own:
        part._buffers.update({name: None if held is None else held.clone() for name, held in buffers.items()})
    try:
        yield
    finally:
        for part, buffers in own:
            part._buffers.update(buffers)


@contextmanager
def _lone_value_spared(norm: nn.Module) -> Iterator[None]:
    """Inside, the norm is in evaluation mode where it is called with one value for each channel."""
    usual, own = norm.forward, vars(norm).get("forward")

    def forward(values: Tensor) -> Tensor:
        if values.numel() > values.shape[1]:
            found: Tensor = usual(values)
            return found
        with _untouched(norm):  # another field that shares the encoder may move them before this one's backward pass
            norm.training = False
            try:
                found = usual(values)
            finally:
                norm.training = True
        return found

    norm.forward = forward
    try:
        yield
    finally:
        if own is None:
            del norm.forward
        else:
            norm.forward = own
