"""torch.compile for what a training walks through at each step."""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
from torch import nn

from mmcore.interfaces.encoder import Stage
from mmcore.interfaces.field import Batch

WEIGHTS, STEPS = 10_000_000, 20_000
"""From so many weights in stages, or so many steps, compiling (half a minute) takes less time than it saves."""
PROGRAMS = 64
"""That a stage's code may have: for each width, with gaps and without, padded or not, the last layer, what is frozen.

Torch's own limit is 8; beyond it the code would run uncompiled, with no more than a warning.
"""


@contextmanager
def compiled(
    model: nn.Module, *, when: Literal["auto", "on", "off"], device: torch.device, steps: int
) -> Iterator[bool]:
    """Inside, each stage of the model is compiled when it is first called; says whether any is.

    Stage by stage and not as a whole: layers that are alike share a program, so that 24 take as long to compile as one,
    and a batch of another kind costs as little. auto: on a GPU, where it pays; on CPUs it gained nothing.
    """
    stages = [stage for stage in outermost(model) if not _recurs(stage)]
    if when == "off" or (when == "auto" and not _pays(stages, device, steps)):
        yield False
        return
    # The compiler's own: it looks at what a stage is given, which the stage before made.
    warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf Tensor")
    with torch._dynamo.config.patch(recompile_limit=PROGRAMS):
        for stage in stages:
            stage.compile()
        try:
            yield bool(stages)
        finally:
            for stage in stages:
                stage._compiled_call_impl = None


def as_written(model: nn.Module) -> AbstractContextManager[object]:
    """Inside, stages run uncompiled: for what is done once in a while, with batches of other sizes."""
    # The compiler takes seconds to import: it is left alone where nothing is compiled.
    is_compiled = any(stage._compiled_call_impl is not None for stage in outermost(model))
    return torch.compiler.set_stance("force_eager") if is_compiled else nullcontext()


def as_fits(model: nn.Module, group: list[Batch], *, usual: int) -> AbstractContextManager[object]:
    """Inside, stages run as written if a batch is smaller than usual: an epoch's last.

    A program for it would be one for any size, serve the usual batches from then on, and not as well: for those the
    compiler does without channels_last in convolutions.
    """
    return as_written(model) if any(len(batch) < usual for batch in group) else nullcontext()


def outermost(module: nn.Module) -> Iterator[Stage]:
    """The stages in a module, without those that others are made of."""
    for child in module.children():
        if isinstance(child, Stage):
            yield child
        else:
            yield from outermost(child)


def _pays(stages: list[Stage], device: torch.device, steps: int) -> bool:
    weights = sum(parameter.numel() for stage in stages for parameter in stage.parameters())
    return device.type == "cuda" and (weights >= WEIGHTS or steps >= STEPS)


def _recurs(stage: Stage) -> bool:
    """Torch's recurrent networks are no part of a graph: they would cut it in pieces."""
    return any(isinstance(part, nn.RNNBase) for part in stage.modules())
