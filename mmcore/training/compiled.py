"""torch.compile for what a training walks through at each step."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
from torch import nn

from mmcore.errors import SetupError
from mmcore.interfaces.encoder import Stage
from mmcore.interfaces.field import Batch
from mmcore.model.multimodal import MultimodalModel
from mmcore.runtime.compiler import lacks_compiler

LARGE = 10_000_000
"""Parameters in stages that are walked: from so many on, half a minute of compiling should be won back.

A judgement: where it begins to pay was not measured.
"""
LONG = 20_000
"""Steps of a training, likewise."""
PROGRAMS = 64
"""That a stage's code may have: for each width, with gaps and without, padded or not, the last layer, what is frozen.

Torch's own limit is 8; beyond it the code would run uncompiled, with no more than a warning.
"""


@contextmanager
def compiled(
    model: MultimodalModel, *, when: Literal["auto", "on", "off"], device: torch.device, steps: int
) -> Iterator[str]:
    """Inside, each stage of the model is compiled when it is first called; what a person should know of it, or "".

    Stage by stage and not as a whole: layers that are alike share a program, so that 24 take as long to compile as one,
    and a batch of another kind costs as little. auto: on a GPU, where it pays and can be done; on CPUs it gained
    nothing. Raises SetupError where it is asked for on a GPU and cannot be done.
    """
    stages = [stage for stage in walked(model) if not _recurs(stage)]
    if not stages or when == "off" or (when == "auto" and not _pays(stages, device, steps)):
        yield ""
        return
    lacks = lacks_compiler() if device.type == "cuda" else None
    if lacks is not None and when == "on":
        raise SetupError(f"training.compile is on, but {lacks}. Or set training.compile to auto or off.")
    if lacks is not None:
        yield f"stages run uncompiled, which takes longer: {lacks}"
        return
    torch._dynamo.reset()  # else programs would depend on what this process trained before, and so would the weights
    with torch._dynamo.config.patch(recompile_limit=PROGRAMS), warnings.catch_warnings():
        # The compiler's own: it looks at what a stage is given, which the stage before made.
        warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf Tensor")
        for stage in stages:
            stage.compile()
        try:
            yield "compiling stages during the first steps, about half a minute"
        finally:
            for stage in stages:
                stage._compiled_call_impl = None


def as_written(model: MultimodalModel) -> AbstractContextManager[object]:
    """Inside, stages run uncompiled: for what is done once in a while, with batches of other sizes."""
    # The compiler takes seconds to import: it is left alone where nothing is compiled.
    is_compiled = any(stage._compiled_call_impl is not None for stage in walked(model))
    return torch.compiler.set_stance("force_eager") if is_compiled else nullcontext()


def as_fits(model: MultimodalModel, batches: Sequence[Batch], *, usual: int) -> AbstractContextManager[object]:
    """Inside, stages run as written if a batch is smaller than usual: an epoch's last, a batch's last chunk.

    A program for it would be one for any size, serve the usual batches from then on, and not as well: for those the
    compiler does without channels_last in convolutions. It is so all the same where batch statistics gather the
    rows that are present.
    """
    return as_written(model) if any(len(batch) < usual for batch in batches) else nullcontext()


def walked(model: MultimodalModel) -> Iterator[Stage]:
    """The stages that batches go through, without those that others are made of: cached fields go through none."""
    used = {owner for field, owner in model.owners.items() if field not in model.cached}
    unused = {id(model.encoders[owner]) for owner in set(model.owners.values()) - used}
    yield from _outermost(model, unused)


def _outermost(module: nn.Module, unused: set[int]) -> Iterator[Stage]:
    for child in module.children():
        if isinstance(child, Stage):
            yield child
        elif id(child) not in unused:
            yield from _outermost(child, unused)


def _pays(stages: list[Stage], device: torch.device, steps: int) -> bool:
    parameters = sum(parameter.numel() for stage in stages for parameter in stage.parameters())
    return device.type == "cuda" and (parameters >= LARGE or steps >= LONG)


def _recurs(stage: Stage) -> bool:
    """Torch's recurrent networks are no part of a graph: they would cut it in pieces."""
    return any(isinstance(part, nn.RNNBase) for part in stage.modules())
