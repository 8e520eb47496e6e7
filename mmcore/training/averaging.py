"""Averages of weights: along the steps, and over whole epochs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from mmcore.model.weights import load_state, state_of
from mmcore.training.divided import whole

Weights = dict[str, Tensor]


def copy_of(model: nn.Module) -> Weights:
    """The weights as they are now."""
    return {name: tensor.clone() for name, tensor in state_of(model).items()}


def follow(average: Weights, model: nn.Module, *, decay: float, step: int) -> None:
    """One step of an exponential moving average. Early steps decay less: it must not remember the random start."""
    decay = min(decay, (1 + step) / (10 + step))
    for name, tensor in state_of(model).items():
        if tensor.is_floating_point():
            average[name].lerp_(tensor, 1 - decay)
        else:
            average[name].copy_(tensor)


def fold_in(mean: Weights, weights: Mapping[str, Tensor], *, number: int) -> Weights:
    """The mean of `number` epochs' weights on the CPU, from that of the epochs before (empty for the first)."""
    new = {name: whole(tensor.detach()).cpu().clone() for name, tensor in weights.items()}
    for name, tensor in new.items():
        if number > 1 and tensor.is_floating_point():
            tensor.copy_(mean[name].lerp(tensor, 1 / number))
    return new


@contextmanager
def wearing(model: nn.Module, weights: Weights | None) -> Iterator[None]:
    """Inside, the model has these weights (None: its own); afterwards its own again."""
    if weights is None:
        yield
        return
    own = copy_of(model)
    load_state(model, weights, what="the moving average")
    try:
        yield
    finally:
        load_state(model, own, what="the weights in training")
