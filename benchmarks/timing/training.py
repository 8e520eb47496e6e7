"""The training loop beside a bare one: the same model, batches, optimizer, schedule and clipping."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.prepare import prepare
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.loop import Data, Goal, train
from mmcore.training.optimizer import build_optimizer, lr_at, set_lr
from mmcore.training.settings import TrainingSettings
from timing.pairs import not_measured, row


def plan(size_px: int, widths: list[int]) -> ModelPlan:
    """Pictures into classes."""
    cnn = {"widths": widths, "strides": [1] * len(widths), "groups": 4, "stem_width": 8}
    return ModelPlan(
        modalities={"image": Part("image", {"size_px": size_px}), "label": Part("category", {})},
        encoders={"image": EncoderPlan(Part("cnn", cnn))},
        fusion=Part("concat", {"width": 32}),
        tasks={"answer": Part("classification", {"target": "label", "hidden": 32})},
    )


def material(chosen: ModelPlan, *, batch: int, count: int) -> tuple[dict[str, Modality], list[Batch]]:
    """Fitted modalities, and batches of noise in memory."""
    readers = {name: installed().modality.build(part, where=name) for name, part in chosen.modalities.items()}
    readers["image"].fit(["a.png"], Path())
    readers["label"].fit(["a", "b"], Path())
    draw, found = np.random.default_rng(0), list[Batch]()
    side = chosen.modalities["image"].settings["size_px"]
    for _ in range(count):
        image = readers["image"].collate(
            [draw.integers(0, 255, (side, side, 3)).astype(np.uint8) for _ in range(batch)]
        )
        label = readers["label"].collate([np.array(n % 2) for n in range(batch)])
        found.append(Batch({"image": image, "label": label}, row=torch.arange(batch), group=torch.arange(batch)))
    return readers, found


@dataclass(frozen=True)
class Case:
    """A model whose step takes about so long on one core."""

    ms: float
    """Of a step; on a quick processor a batch is made larger until it takes as long."""
    plan: ModelPlan
    batch: int
    """Samples at least."""
    count: int
    """Steps of a turn."""
    goal: float
    """Share of a bare loop's steps a second."""


Loop = Callable[[MultimodalModel, dict[str, Modality], list[Batch], TrainingSettings], float]
"""Trains one epoch and returns its seconds."""

CASES = (
    Case(10.0, plan(32, [16, 32]), batch=32, count=40, goal=0.97),
    Case(1.0, plan(8, [8]), batch=4, count=300, goal=0.90),
)


def ours(model: MultimodalModel, readers: dict[str, Modality], fed: list[Batch], settings: TrainingSettings) -> float:
    """Seconds from the end of the first step to the end of the last, by mmcore's loop."""
    ends = list[float]()
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
    with tempfile.TemporaryDirectory() as folder:
        train(
            model, Data(lambda epoch, start: iter(fed[start:]), len(fed), readers), goal=Goal(None), settings=settings,
            fabric=fabric, checkpoints=Checkpoints(Path(folder)), stop=lambda: ends.append(time.perf_counter()),
        )  # fmt: skip
    return ends[-1] - ends[0]


def bare(model: MultimodalModel, readers: dict[str, Modality], fed: list[Batch], settings: TrainingSettings) -> float:
    """The same by a loop written by hand, with nothing but what training takes."""
    torch.manual_seed(0)
    optimizer, generator = build_optimizer(model, settings), torch.Generator()
    task, parameters, total = model.each_task()["answer"], list(model.parameters()), torch.zeros(())
    ends = list[float]()
    model.train()
    for step, batch in enumerate(fed):
        set_lr(optimizer, lr_at(step, len(fed), settings))
        ready = prepare(batch, readers, augment=generator)
        loss = task.loss(model(ready)["answer"], ready)["cross_entropy"]
        loss.backward()
        total += loss.detach()
        torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        ends.append(time.perf_counter())
    return ends[-1] - ends[0]


def loops(*, quick: bool) -> list[dict[str, Any]]:
    """A small model with steps of about 1 ms, and one of about 10."""
    torch.set_num_threads(1)
    found = list[dict[str, Any]]()
    for case in CASES:
        mine, theirs = steps(case, bare, turns=2 if quick else 15, quick=quick)
        what = f"training loop, a step of {case.ms:g} ms, beside a bare PyTorch loop"
        found.append(row(what, mine, theirs, goal=case.goal, unit="ms"))
    return found


def steps(case: Case, reference: Loop, *, turns: int, quick: bool) -> tuple[list[float], list[float]]:
    """Milliseconds a step of each turn, of mmcore's loop and of another one; each starts with a fresh model."""
    settings = TrainingSettings(monitor="answer/accuracy", epochs=1, checkpoint_every_s=1e9, compile="off")
    batch = case.batch
    for _ in range(3):  # a step does not grow in proportion
        readers, fed = material(case.plan, batch=batch, count=12)
        build = partial(assemble, case.plan, readers, seed=0, plugins=installed())
        took = 1000 * min(bare(build(), readers, fed, settings) for _ in range(3)) / (len(fed) - 1)
        batch = max(case.batch, round(batch * case.ms / took))
    readers, fed = material(case.plan, batch=batch, count=case.count // (5 if quick else 1))
    pairs = [(ours(build(), readers, fed, settings), reference(build(), readers, fed, settings)) for _ in range(turns)]
    mine, theirs = ([1000 * pair[side] / (len(fed) - 1) for pair in pairs] for side in (0, 1))
    return mine, theirs


def half_precision(*, quick: bool) -> list[dict[str, Any]]:
    """bf16 pays where the processor multiplies tiles of it."""
    what = "training in bf16 beside float32 on a CPU with AMX"
    if not torch.cpu._is_amx_tile_supported():
        return [not_measured(what, goal=1.5, why="this CPU has no AMX")]
    chosen = plan(64, [64, 128])
    readers, fed = material(chosen, batch=32, count=3 if quick else 12)
    times = dict[str, list[float]]()
    for _ in range(2 if quick else 7):
        for precision in ("bfloat16", "float32"):
            torch.set_num_threads(1)
            model = assemble(chosen, readers, seed=0, plugins=installed()).train()
            fabric = launch(device="cpu", precision=precision, threads=1, deterministic=True)
            module = fabric.setup_module(model)
            start = time.perf_counter()
            for batch in fed:
                ready = prepare(batch, readers)
                with fabric.autocast():
                    outputs = model(ready)["answer"]
                fabric.backward(model.each_task()["answer"].loss(outputs, ready)["cross_entropy"])
            times.setdefault(precision, []).append(time.perf_counter() - start)
            del module
    return [row(what, times["bfloat16"], times["float32"], goal=1.5)]
