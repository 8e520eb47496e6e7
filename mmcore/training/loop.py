"""The training loop: one page, the same bytes however often it is killed and started again."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from mmcore.errors import ConfigError, DataError, Interrupted, TrainingError, listing
from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.weights import load_state, state_of
from mmcore.runtime.fabric import Fabric, is_divided, left_whole, unsharded
from mmcore.runtime.peers import Peers
from mmcore.training.averaging import copy_of, fold_in, follow, wearing
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.compiled import as_fits, as_written, compiled
from mmcore.training.display import Display
from mmcore.training.modulation import Probes
from mmcore.training.optimizer import build_optimizer, lr_at, set_lr
from mmcore.training.parts import Thawing
from mmcore.training.settings import TrainingSettings
from mmcore.training.state import Position, State, seed_process
from mmcore.training.step import Carried, Stepper

Validate = Callable[[MultimodalModel], Mapping[str, float]]
"""Scores on the validation split by `task/metric`; draws no random numbers."""

EachEpoch = Callable[[Mapping[str, float]], None]
"""Told of an epoch's row of the curves, it may be twice; what it raises ends the training."""


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


def train(
    model: MultimodalModel,
    data: Data,
    *,
    goal: Goal,
    settings: TrainingSettings,
    fabric: Fabric,
    checkpoints: Checkpoints,
    stop: Callable[[], int | None] = lambda: None,
    each_epoch: EachEpoch = lambda row: None,
    title: str = "train",
) -> list[dict[str, float]]:
    """Train `model` in place and return its curves, one row an epoch.

    Goes on from the newest of `checkpoints`, if there is one. stop: asked after each step; a signal number makes it
    write a checkpoint and raise Interrupted. each_epoch: told of each epoch's row once its checkpoint is written;
    of the last once more where a training goes on after it.
    Raises TrainingError where the loss or the weights are not finite.

    With several processes each calls this with its part of the batches; the first alone writes checkpoints and talks.
    """
    peers, result = Peers(fabric), model
    if peers.size > 1 and settings.strategy == "fsdp":
        model = deepcopy(model)  # what is divided stays so; the weights go back into the one that was given
    check(settings, model)
    generator = torch.Generator(device=fabric.device)
    seed_process(settings.seed, generator, rank=peers.rank)
    probes = None if settings.modulate is None else Probes.of(model, data.modalities, alpha=settings.modulate)
    carried = fabric.setup_module(Carried(model, probes))
    state = _begin(model, settings, fabric, probes, generator=generator, peers=peers)
    optimizer: Any = fabric.setup_optimizers(state.optimizer)
    stepper = Stepper(
        carried, model, fabric, data.modalities, goal.weights or {}, generator, settings.chunk, probes, peers
    )
    whole_ones, model.expect_gaps = left_whole(carried), is_divided(carried)
    thawing = Thawing(model, thaw=settings.thaw, freeze=settings.freeze)
    found = checkpoints.load()
    if found is not None:
        state.restore(*found)
        if peers.first and state.position.batch == 0:
            each_epoch(state.position.curves[-1])  # a kill may have come before it was told
    steps = settings.epochs * math.ceil(data.batches_an_epoch / settings.accumulate)
    usual = math.ceil(settings.batch_size / peers.size) if data.batches_an_epoch > 1 else 0
    watch = _Watch(settings.checkpoint_every_s)
    shown = Display(steps, settings.epochs, done=state.position.step, title=title, silent=not peers.first)
    compiling = compiled(model, when=settings.compile, device=fabric.device, steps=steps)
    with shown as display, compiling as said:
        if said:
            display.tell(said)
        while not _ended(state.position, settings):
            carried.train()
            thawing.enter(state.position.epoch)
            for group in _groups(data, state.position, settings.accumulate):
                set_lr(state.optimizer, lr_at(state.position.step, steps, settings))
                with as_fits(model, group, usual=usual):
                    state.loss_sum += stepper.backward(group)
                peers.mean_gradients(whole_ones)
                if settings.clip_norm is not None:
                    fabric.clip_gradients(carried, optimizer, max_norm=settings.clip_norm, error_if_nonfinite=False)
                optimizer.step()
                optimizer.zero_grad()
                if state.average is not None and settings.ema is not None:
                    follow(state.average, model, decay=settings.ema, step=state.position.step)
                state.position.batch += len(group)
                state.position.step += 1
                display.step(state.position.epoch)
                _pause(state, checkpoints, stop=stop(), due=watch.due())
            lr = lr_at(state.position.step - 1, steps, settings)
            best = _end_epoch(state, model, carried, goal=goal, settings=settings, data=data, lr=lr)
            display.epoch(state.position.curves[-1], monitor=settings.monitor, best=best)
            _save(state, checkpoints)
            if peers.first:
                each_epoch(state.position.curves[-1])
    if state.best:
        load_state(result, state.best, what="the weights to keep")
    return state.position.curves


def check(settings: TrainingSettings, model: MultimodalModel) -> None:
    """Raise ConfigError where settings contradict each other or the model."""
    if settings.keep == "mean" and settings.patience is not None:
        raise ConfigError(
            "training.keep is mean: the last epochs are averaged, so there must be a last one. Set training.patience "
            "to null, or keep: best."
        )
    if settings.devices > 1 and settings.modulate is not None:
        raise ConfigError(
            f"training.modulate looks at whole batches, but training.devices is {settings.devices}: each has a part. "
            "Set training.modulate to null, or train on one device."
        )
    if settings.chunk is None:
        return
    if settings.modulate is not None:
        raise ConfigError("training.chunk and training.modulate do not go together: set one of them to null.")
    for name in sorted(set(model.owners.values()) - model.frozen):
        if model.encoder(name).batch_statistics:
            raise ConfigError(
                f"training.chunk is {settings.chunk}, but the encoder of {name!r} looks at the whole batch (batch "
                "normalisation), so chunks would give something else. Set it to null, or take another normalisation."
            )


def _begin(
    model: MultimodalModel,
    settings: TrainingSettings,
    fabric: Fabric,
    probes: Probes | None,
    *,
    generator: torch.Generator,
    peers: Peers,
) -> State:
    """A training at its start; the model is on its device."""
    optimizer = build_optimizer(model, settings, beside=probes)
    zero = torch.zeros((), dtype=torch.float64, device=fabric.device)
    average = None if settings.ema is None else copy_of(model)
    return State(model, optimizer, generator, Position(), zero, peers, settings.seed, average, probes)


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


def _pause(state: State, checkpoints: Checkpoints, *, stop: int | None, due: bool) -> None:
    """Write a checkpoint where it is time to, and end here where a signal asked for it; all processes do so at once."""
    asked, now = state.peers.agree(stop or 0, due)
    if not asked and not now:
        return
    _check_finite(state)
    _save(state, checkpoints)
    if asked:
        raise Interrupted(
            f"stopped by signal {asked} in epoch {state.position.epoch + 1}, step {state.position.step}. "
            "Start again: the training goes on from there.",
            signal=asked,
        )


def _save(state: State, checkpoints: Checkpoints) -> None:
    """All processes give what they have, the first writes."""
    tensors = state.tensors()
    if state.peers.first:
        checkpoints.save(state.position.step, tensors, state.plain())


def _end_epoch(
    state: State,
    model: MultimodalModel,
    carried: nn.Module,
    *,
    goal: Goal,
    settings: TrainingSettings,
    data: Data,
    lr: float,
) -> bool:
    """Validate, keep the best, move on to the next epoch; returns whether this one is the best so far."""
    _check_finite(state)
    position = state.position
    row = {"epoch": float(position.epoch + 1), "step": float(position.step), "lr": lr}
    row["loss"] = float(state.peers.total(state.loss_sum) / data.batches_an_epoch)
    best = True
    if goal.validate is not None:
        with wearing(model, state.average), unsharded(carried), as_written(model):
            row |= state.peers.from_first(dict(goal.validate(model)))
        if settings.monitor not in row:
            raise ConfigError(
                f"training.monitor is {settings.monitor!r}, which no task gives. There are: {listing(row)}."
            )
        score = row[settings.monitor]
        if math.isnan(score) and (settings.keep == "best" or settings.patience is not None):
            raise DataError(
                f"training.monitor is {settings.monitor!r}, which is no number on the validation rows: do any of them "
                "have what it is judged by? Monitor another score, or set training.keep to last and training.patience "
                "to null."
            )
        best = _is_better(score, position.best_score, goal.better)
        if best:
            position.best_score, position.best_epoch = score, position.epoch
    if best or settings.keep != "best":
        number = 1
        if settings.keep == "mean":
            number = max(1, position.epoch + 1 - max(0, settings.epochs - settings.mean_of))
        state.best = fold_in(state.best, state.average or state_of(model), number=number)
    position.curves.append(row)
    position.epoch, position.batch = position.epoch + 1, 0
    state.loss_sum = torch.zeros_like(state.loss_sum)
    return best


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
    loss = float(state.peers.total(state.loss_sum))
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} in epoch {state.position.epoch + 1}, by step {state.position.step}. "
            "Lower training.lr, raise training.warmup or set training.clip_norm. Checkpoints before it are kept."
        )
    if broken := state.broken():
        raise TrainingError(
            f"{len(broken)} of the weights are not finite in epoch {state.position.epoch + 1}, by step "
            f"{state.position.step} ({', '.join(broken[:3])}), while the loss still was. Lower training.lr, raise "
            "training.warmup or set training.clip_norm. Checkpoints before it are kept."
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
