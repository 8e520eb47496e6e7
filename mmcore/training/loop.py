"""The training loop: one page, the same bytes however often it is killed and started again."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mmcore.errors import ConfigError, Interrupted, TrainingError, listing
from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.task import Outputs
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.prepare import prepare
from mmcore.model.seeds import seed_of
from mmcore.model.weights import load_state, state_of
from mmcore.runtime.fabric import Fabric
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.display import Display
from mmcore.training.optimizer import build_optimizer, lr_at, set_lr
from mmcore.training.settings import TrainingSettings
from mmcore.training.state import Position, State

Validate = Callable[[MultimodalModel], Mapping[str, float]]
"""Scores on the validation split by `task/metric`; draws no random numbers."""


@dataclass(frozen=True)
class Data:
    """What a training is fed with."""

    batches: Callable[[int, int], Iterator[Batch]]
    """(epoch, first batch) -> the rest of that epoch: a pure function of both."""
    batches_an_epoch: int
    modalities: Mapping[str, Modality]
    """Those of the fields that arrive raw; cached features need no preparing."""


@dataclass(frozen=True)
class Goal:
    """What a training is after."""

    validate: Validate | None
    """None: every epoch counts as good as the one before, the last is kept."""
    better: Literal["up", "down"] = "up"
    weights: Mapping[str, float] | None = None
    """The share of each task's loss."""


class Carrier:
    """Hides a batch from Fabric, which would walk through it and refuses frozen dataclasses."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class Carried(nn.Module):
    """A model that takes its batch from a carrier."""

    def __init__(self, model: MultimodalModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, carrier: Carrier) -> dict[str, Outputs]:
        """The model's outputs for the batch inside."""
        outputs: dict[str, Outputs] = self.model(carrier.batch)
        return outputs


def train(
    model: MultimodalModel,
    data: Data,
    *,
    goal: Goal,
    settings: TrainingSettings,
    fabric: Fabric,
    checkpoints: Checkpoints,
    stop: Callable[[], int | None] = lambda: None,
    title: str = "train",
) -> list[dict[str, float]]:
    """Train `model` in place and return its curves, one row an epoch.

    Goes on from the newest of `checkpoints`, if there is one. stop: asked after each step; a signal number makes it
    write a checkpoint and raise Interrupted. Raises TrainingError where the loss is not finite.
    """
    torch.manual_seed(seed_of(settings.seed, "training"))
    state = _begin(model, settings, fabric)
    carried, optimizer = fabric.setup(_entry(model, settings, fabric), state.optimizer)
    found = checkpoints.load()
    if found is not None:
        state.restore(*found)
    steps = settings.epochs * math.ceil(data.batches_an_epoch / settings.accumulate)
    watch = _Watch(settings.checkpoint_every_s)
    with Display(steps, settings.epochs, done=state.position.step, title=title) as display:
        while not _ended(state.position, settings):
            for group in _groups(data, state.position, settings.accumulate):
                lr = lr_at(state.position.step, steps, settings)
                set_lr(state.optimizer, lr)
                state.loss_sum += _accumulate(carried, group, data=data, goal=goal, state=state, fabric=fabric)
                if settings.clip_norm is not None:
                    fabric.clip_gradients(carried, optimizer, max_norm=settings.clip_norm, error_if_nonfinite=False)
                optimizer.step()
                optimizer.zero_grad()
                _average(state, settings)
                state.position.batch += len(group)
                state.position.step += 1
                display.step(state.position.epoch)
                _pause(state, checkpoints, stop=stop(), due=watch.due())
            lr = lr_at(state.position.step - 1, steps, settings)
            best = _end_epoch(state, model, goal=goal, settings=settings, data=data, lr=lr)
            display.epoch(state.position.curves[-1], monitor=settings.monitor, best=best)
            checkpoints.save(state.position.step, state.tensors(), state.plain())
    if state.best:
        load_state(model, state.best, what="the best epoch")
    return state.position.curves


def _begin(model: MultimodalModel, settings: TrainingSettings, fabric: Fabric) -> State:
    """A training at its start."""
    model.to(fabric.device)
    generator = torch.Generator(device=fabric.device)
    generator.manual_seed(seed_of(settings.seed, "augment"))
    average = None
    if settings.ema is not None:
        average = {name: tensor.clone() for name, tensor in state_of(model).items()}
    zero = torch.zeros((), dtype=torch.float64, device=fabric.device)
    return State(model, build_optimizer(model, settings), generator, Position(), zero, average)


def _entry(model: MultimodalModel, settings: TrainingSettings, fabric: Fabric) -> nn.Module:
    """The module that is called at each step, compiled where that pays: on a GPU; on CPUs it gained nothing."""
    entry: nn.Module = Carried(model)
    if settings.compile == "on" or (settings.compile == "auto" and fabric.device.type == "cuda"):
        entry.compile()
    return entry


def _groups(data: Data, position: Position, size: int) -> Iterator[list[Batch]]:
    """The rest of the epoch in groups of `size` batches whose gradients are added up."""
    group = list[Batch]()
    for batch in data.batches(position.epoch, position.batch):
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _accumulate(
    carried: nn.Module, group: list[Batch], *, data: Data, goal: Goal, state: State, fabric: Fabric
) -> Tensor:
    """Backward over one group; returns the sum of its losses."""
    carried.train()
    total = torch.zeros_like(state.loss_sum)
    for batch in group:
        ready = prepare(batch.to(fabric.device), data.modalities, augment=state.generator)
        loss = total_loss(state.model, carried(Carrier(ready)), ready, goal.weights or {})
        fabric.backward(loss / len(group))
        total += loss.detach()
    return total


def total_loss(model: nn.Module, outputs: Mapping[str, Outputs], batch: Batch, weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of every task's losses."""
    assert isinstance(model, MultimodalModel)
    parts = list[Tensor]()
    for name, task in model.each_task().items():
        losses = task.loss(outputs[name], batch)
        parts += [weights.get(name, 1.0) * loss for loss in losses.values()]
    return torch.stack(parts).sum()


def _average(state: State, settings: TrainingSettings) -> None:
    """One step of the moving average. Early steps decay less, so that it does not remember the random start."""
    if state.average is None or settings.ema is None:
        return
    decay = min(settings.ema, (1 + state.position.step) / (10 + state.position.step))
    for name, tensor in state_of(state.model).items():
        if tensor.is_floating_point():
            state.average[name].lerp_(tensor, 1 - decay)
        else:
            state.average[name].copy_(tensor)


def _pause(state: State, checkpoints: Checkpoints, *, stop: int | None, due: bool) -> None:
    """Write a checkpoint where it is time to, and end here where a signal asked for it."""
    if stop is None and not due:
        return
    _check_finite(state)
    checkpoints.save(state.position.step, state.tensors(), state.plain())
    if stop is not None:
        raise Interrupted(
            f"stopped by signal {stop} in epoch {state.position.epoch + 1}, step {state.position.step}. "
            "Start again: the training goes on from there.",
            signal=stop,
        )


def _end_epoch(
    state: State, model: MultimodalModel, *, goal: Goal, settings: TrainingSettings, data: Data, lr: float
) -> bool:
    """Validate, keep the best, move on to the next epoch; returns whether this one is the best so far."""
    _check_finite(state)
    position = state.position
    row = {"epoch": float(position.epoch + 1), "step": float(position.step), "lr": lr}
    row["loss"] = float(state.loss_sum / data.batches_an_epoch)
    best = True
    if goal.validate is not None:
        row |= _validate(state, model, goal.validate)
        if settings.monitor not in row:
            raise ConfigError(
                f"training.monitor is {settings.monitor!r}, which no task gives. There are: {listing(row)}."
            )
        score = row[settings.monitor]
        best = settings.keep == "last" or _is_better(score, position.best_score, goal.better)
        if best:
            position.best_score, position.best_epoch = score, position.epoch
    if best:
        weights = state_of(model) if state.average is None else state.average
        state.best = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
    position.curves.append(row)
    position.epoch, position.batch = position.epoch + 1, 0
    state.loss_sum = torch.zeros_like(state.loss_sum)
    return best


def _validate(state: State, model: MultimodalModel, validate: Validate) -> Mapping[str, float]:
    """Scores of the weights that would be kept: the average where there is one."""
    if state.average is None:
        return validate(model)
    own = {name: tensor.clone() for name, tensor in state_of(model).items()}
    load_state(model, state.average, what="the moving average")
    scores = validate(model)
    load_state(model, own, what="the weights in training")
    return scores


def _is_better(score: float, best: float | None, better: str) -> bool:
    if math.isnan(score):
        return best is None
    return best is None or math.isnan(best) or (score > best if better == "up" else score < best)


def _ended(position: Position, settings: TrainingSettings) -> bool:
    """All epochs are done, or `patience` of them went by without a better score."""
    if position.epoch >= settings.epochs:
        return True
    if settings.patience is None or position.best_epoch is None:
        return False
    return position.batch == 0 and position.epoch - 1 - position.best_epoch >= settings.patience


def _check_finite(state: State) -> None:
    if not torch.isfinite(state.loss_sum):
        raise TrainingError(
            f"the loss is {float(state.loss_sum)} in epoch {state.position.epoch + 1}, by step {state.position.step}. "
            "Lower training.lr, raise training.warmup or set training.clip_norm. Checkpoints before it are kept."
        )


class _Watch:
    """Says when it is time for the next checkpoint inside an epoch."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._last = every_s, time.monotonic()

    def due(self) -> bool:
        """True once each interval."""
        if time.monotonic() - self._last < self._every_s:
            return False
        self._last = time.monotonic()
        return True
