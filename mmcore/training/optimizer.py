"""The optimizer and the learning rate at each step."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from mmcore.errors import ConfigError, listing
from mmcore.training.settings import TrainingSettings


def build_optimizer(model: nn.Module, settings: TrainingSettings, *, fused: bool = True) -> torch.optim.Optimizer:
    """Adam or AdamW over the parameters that are trained; `lr` of each group is its share of the peak, set each step.

    Raises ConfigError where `training.lr_of` names a start that no parameter has.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    for start in settings.lr_of:
        if not any(name.startswith(start) for name, _ in named):
            raise ConfigError(
                f"training.lr_of names {start!r}, but no trained parameter starts so. Parts: {listing(_parts(named))}."
            )
    groups = dict[tuple[float, bool], list[nn.Parameter]]()
    for name, parameter in named:
        groups.setdefault((factor_of(name, settings.lr_of), parameter.ndim >= 2), []).append(parameter)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    ready = [
        {"params": members, "weight_decay": settings.weight_decay if decays else 0.0, "factor": factor}
        for (factor, decays), members in groups.items()
    ]
    return kind(ready, lr=settings.lr, betas=settings.betas, fused=fused)


def factor_of(name: str, factors: Mapping[str, float]) -> float:
    """The factor of the longest start that `name` has; 1 where there is none."""
    starts = [start for start in factors if name.startswith(start)]
    return factors[max(starts, key=len)] if starts else 1.0


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


def _parts(named: Iterable[tuple[str, nn.Parameter]]) -> set[str]:
    return {".".join(name.split(".")[:2]) for name, _ in named}
