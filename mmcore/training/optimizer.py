"""The optimizer and the learning rate at each step."""

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from mmcore.training.parts import check_starts, value_of
from mmcore.training.settings import TrainingSettings


def build_optimizer(
    model: nn.Module, settings: TrainingSettings, *, beside: nn.Module | None = None, fused: bool = True
) -> torch.optim.Optimizer:
    """Adam or AdamW over the parameters that are trained; `lr` of each group is its share of the peak, set each step.

    beside: what learns along with the model and is no part of it. Raises ConfigError where `training.lr_of` or
    `training.layer_decay` names a start that no parameter has.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    check_starts("lr_of", settings.lr_of, (name for name, _ in named))
    check_starts("layer_decay", settings.layer_decay, (name for name, _ in named))
    depths = depths_of(name for name, _ in model.named_parameters())
    spared = no_weight_decay(model)
    groups = dict[tuple[float, bool, bool], list[nn.Parameter]]()
    for name, parameter in named:
        factor = value_of(name, settings.lr_of, 1.0) * decayed(name, settings.layer_decay, depths)
        decays = is_matrix(name, parameter) and not any(fnmatchcase(name, pattern) for pattern in spared)
        # Those that are divided among processes by themselves: fused kernels take one kind at a time.
        groups.setdefault((factor, decays, isinstance(parameter, DTensor)), []).append(parameter)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    ready = [
        {"params": members, "weight_decay": settings.weight_decay if decays else 0.0, "factor": factor}
        for (factor, decays, _), members in groups.items()
    ]
    if beside is not None:
        ready.append({"params": list(beside.parameters()), "weight_decay": 0.0, "factor": 1.0})
    return kind(ready, lr=settings.lr, betas=settings.betas, fused=fused)


def is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether it is a matrix or a kernel, as a layer's `weight` of one row is too; else a bias, gain or lone vector."""
    last = name.rpartition(".")[2]
    vector = parameter.numel() == max(parameter.shape, default=1)  # [D], [1,1,D], [D,1,1]
    return parameter.ndim >= 2 and last != "bias" and (last == "weight" or not vector)


def no_weight_decay(model: nn.Module) -> list[str]:
    """Patterns of the parameters that its modules want spared: those of timm say so by a method of this name."""
    found = list[str]()
    for path, module in model.named_modules():
        names = getattr(module, "no_weight_decay", None)
        if callable(names):
            found += [f"{path}.{name}" if path else name for name in names()]
    return found


def depths_of(names: Iterable[str]) -> dict[str, int]:
    """How many stages each encoder has, by what stands before `.stages.` in its parameters' names."""
    depths = dict[str, int]()
    for name in names:
        encoder, stages, rest = name.partition(".stages.")
        if stages:
            depths[encoder] = max(depths.get(encoder, 0), int(rest.split(".")[0]) + 1)
    return depths


def decayed(name: str, decay: Mapping[str, float], depths: Mapping[str, int]) -> float:
    """The factor of `training.layer_decay`: 1 in an encoder's last stage, once the decay for each stage before it.

    What lies before the first stage has the smallest.
    """
    encoder = next((start for start in depths if name.startswith(f"{start}.")), None)
    rate = value_of(name, decay, 1.0)
    if encoder is None or rate == 1.0:
        return 1.0
    _, stages, rest = name.partition(".stages.")
    stage = int(rest.split(".")[0]) if stages else -1
    return float(rate ** (depths[encoder] - 1 - stage))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give each group its share of `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["factor"]


def lr_at(step: int, steps: int, settings: TrainingSettings) -> float:
    """The learning rate of one step: linear warm-up from 0, then constant or a half cosine down to 0.

    step: 0 to steps - 1. A function of the step alone, so that a resumed training needs no state for it.
    """
    warm = round(settings.warmup * steps)
    if step < warm:
        return settings.lr * (step + 1) / warm
    if settings.schedule == "constant":
        return settings.lr
    done = (step - warm) / max(1, steps - warm)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * done))
