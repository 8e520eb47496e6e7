"""Device, precision and processes: the only home of Lightning Fabric, which takes seconds to import."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from mmcore.errors import SetupError
from mmcore.runtime.memory import keep_freed_memory

__all__ = ["Fabric", "is_divided", "launch", "left_whole", "unsharded"]

Precision = Literal["32-true", "bf16-mixed"]

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: the first may be writing a checkpoint, or a text for each validation row."""


def launch(
    *, device: str, precision: str, threads: int, deterministic: bool, devices: int = 1, strategy: str = "auto"
) -> Fabric:
    """A Fabric that is ready to set modules up.

    device: auto, cpu or cuda. precision: auto, float32 or bfloat16. threads: torch threads on a CPU.
    devices: how many there are in all; each has a process of its own, which `mm stage` or torchrun started.
    strategy: auto, ddp or fsdp. Raises SetupError where cuda is asked for and not there, or where there are not as many
    processes as devices.
    """
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise SetupError(
            f"training.device is cuda, but this torch ({torch.__version__}) sees no GPU. "
            "Set training.device=auto, or run 'mm doctor' to see what is wrong."
        )
    here = _processes_here(devices)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of each process that it has started
    accelerator = "cuda" if cuda and device != "cpu" else "cpu"
    if accelerator == "cuda" and here > torch.cuda.device_count():
        raise SetupError(
            f"training.devices asks for {here} GPUs on this machine, which has {torch.cuda.device_count()}. "
            "Set training.devices to what is there, or start torchrun on several machines."
        )
    torch.set_num_threads(threads)
    keep_freed_memory()
    torch.use_deterministic_algorithms(deterministic and accelerator == "cuda", warn_only=True)
    # Else each new tensor would be filled first, lest it is read before it is written, which none of ours is: half of
    # the kernels of a small model's step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=devices // here,
        precision=_precision(precision, accelerator),
        strategy="auto" if devices == 1 else _strategy(strategy, devices),
    )
    fabric.launch()
    return fabric


def is_divided(module: nn.Module) -> bool:
    """Whether each process has a part of the weights only."""
    return any(isinstance(part, FSDPModule) for part in module.modules())


def left_whole(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of a divided module that each process has whole, and whose gradients nobody exchanges."""
    if not is_divided(module):
        return []
    return [p for p in module.parameters() if p.requires_grad and not isinstance(p, DTensor)]


@contextmanager
def unsharded(module: nn.Module) -> Iterator[None]:
    """Inside, a module whose weights are divided among processes can be called in any way; all must enter together."""
    parts = [part for part in module.modules() if isinstance(part, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    yield
    for number, part in enumerate(parts):
        part.reshard()
        part.set_reshard_after_forward(number > 0, recurse=False)  # the outermost is needed again at once


def _strategy(name: str, devices: int) -> Strategy:
    """How processes work together."""
    if name == "fsdp":
        # Outputs that are views (one scale for all rows) must not be changed in place, which nobody does.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
        return ModelParallelStrategy(_divided, data_parallel_size=devices, tensor_parallel_size=1, timeout=PATIENCE)
    # A part of the model may be without use in one process: a batch without gaps never asks for the blank token.
    return DDPStrategy(find_unused_parameters=True, timeout=PATIENCE)


def _divided(module: nn.Module, mesh: Any) -> nn.Module:
    """Every encoder stage by itself, so that only a few are whole at a time; what is left as one more."""
    for name, part in module.named_modules():
        steps = name.split(".")
        if len(steps) > 1 and steps[-2] == "stages" and any(p.requires_grad for p in part.parameters()):
            fully_shard(part, mesh=mesh["data_parallel"])
    single = {parameter for parameter in module.parameters() if parameter.ndim == 0}  # cannot be divided
    fully_shard(module, mesh=mesh["data_parallel"], ignored_params=single)
    return module


def _processes_here(devices: int) -> int:
    """How many processes run on this machine. Raises SetupError where there are not `devices` in all."""
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != devices:
        raise SetupError(
            f"training.devices is {devices}, but {started} process{'es are' if started > 1 else ' is'} running. "
            f"Set training.devices={started} (it is part of the result), or start with 'mm stage' or "
            f"'torchrun --nproc-per-node {devices}'."
        )
    return int(os.environ.get("LOCAL_WORLD_SIZE", started))


def _precision(asked: str, accelerator: str) -> Precision:
    """bf16 where the device computes faster in it: GPUs since Ampere, CPUs with AMX; 1.5 to 1.8 times there."""
    if asked == "float32":
        return "32-true"
    if asked == "bfloat16":
        return "bf16-mixed"
    pays = torch.cuda.is_bf16_supported() if accelerator == "cuda" else torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if pays else "32-true"
