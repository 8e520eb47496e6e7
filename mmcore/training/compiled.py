"""torch.compile for what a training walks through at each step."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
from torch import nn

from mmcore.interfaces.encoder import Stage

VARIANTS = 64
"""How many a stage's code may be compiled in: of each width, with and without gaps, the last layer, what is frozen."""


@contextmanager
def compiled(model: nn.Module, *, when: Literal["auto", "on", "off"], device: torch.device) -> Iterator[None]:
    """Inside, each stage of the model is compiled when it is first called.

    Stage by stage and not as a whole: layers that are alike share one compilation, so that 24 take as long as one, and
    a batch of another shape costs as little. auto: on a GPU; on CPUs it gained nothing.
    """
    if when == "off" or (when == "auto" and device.type != "cuda"):
        yield
        return
    stages = list(outermost(model))
    with torch._dynamo.config.patch(recompile_limit=VARIANTS):
        for stage in stages:
            stage.compile()
        try:
            yield
        finally:
            for stage in stages:
                stage._compiled_call_impl = None


def as_written(model: nn.Module) -> AbstractContextManager[object]:
    """Inside, stages run uncompiled: for what is done once in a while, with batches of other sizes."""
    # The compiler takes seconds to import: it is left alone where nothing is compiled.
    is_compiled = any(stage._compiled_call_impl is not None for stage in outermost(model))
    return torch.compiler.set_stance("force_eager") if is_compiled else nullcontext()


def outermost(module: nn.Module) -> Iterator[Stage]:
    """The stages in a module, without those that others are made of."""
    for child in module.children():
        if isinstance(child, Stage):
            yield child
        else:
            yield from outermost(child)
