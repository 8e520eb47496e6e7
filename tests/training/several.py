"""Trainings that several processes run together, and one alone; run as a script: FOLDER STEPS CASE ...

Of its rows, as many as a second process gets of a batch lack a field, and the last batch has one row only.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.data.dataset import Dataset
from mmcore.data.loader import Loader
from mmcore.errors import Interrupted
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.prepare import prepare
from mmcore.model.weights import save_tensors
from mmcore.registry.plugins import Plugins, find_installed
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.testing.toys.kit import toy_entry_points, toy_modalities, toy_rows
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.curves import write_curves
from mmcore.training.loop import Data, Goal, train
from tests.training import toy

ROWS, BATCH = 37, 12
ROOT = Path(__file__).parents[2]

PLAN = replace(
    toy.PLAN,
    encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
    settings=type(toy.PLAN.settings)(modality_dropout=0.0),
)
"""Without dropout: each process draws random numbers of its own."""


WRITING = Part("toy_generation", {"target": "sequence"})


def aligned(error: str) -> ModelPlan:
    """The same encoders, whose streams are brought together."""
    task = Part("alignment", {"first": "sequence", "second": "vector", "width": 4, "error": error})
    return replace(PLAN, tasks={"near": task})


CASES: Mapping[str, tuple[ModelPlan, dict[str, Any]]] = {
    "classes": (PLAN, {}),
    "accumulated": (PLAN, {"accumulate": 2, "ema": 0.9}),
    "rare-gaps": (PLAN, {}),
    "siglip": (aligned("siglip"), {}),
    "infonce-in-chunks": (aligned("infonce"), {"chunk": 2}),
    "siglip-in-chunks": (aligned("siglip"), {"chunk": 2, "accumulate": 2}),
    "several-tasks": (
        replace(PLAN, tasks={**PLAN.tasks, **aligned("infonce").tasks, "say": WRITING}),
        {},
    ),
    "scale-that-stops": (aligned("siglip"), {"freeze": {"tasks": 2}}),
    "scale-that-waits": (aligned("siglip"), {"thaw": {"tasks": 2}}),
    "one-wide": (replace(PLAN, encoders={**PLAN.encoders, "vector": EncoderPlan(Part("mlp", {"width": 1}))}), {}),
}  # fmt: skip


class Memory:
    """Arrays of one field; None for rows that lack it."""

    def __init__(self, arrays: list[np.ndarray | None]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays)

    def take(self, rows: np.ndarray) -> list[np.ndarray | None]:
        return [self.arrays[row] for row in rows]


def dataset(*, rare: bool = False) -> Dataset:
    """`vector` is missing in the second half of each batch (rare: in one row of all), `label` here and there."""
    modalities, rows = toy_modalities(), toy_rows(ROWS, seed=3)
    absent = {
        "vector": {2} if rare else {row for row in range(ROWS) if row % BATCH >= BATCH // 2 or row == ROWS - 1},
        "label": {3, 9, 14},
        "sequence": set[int](),
    }
    arrays = {
        name: Memory([None if n in absent[name] else m.read(row[name] or "", Path()) for n, row in enumerate(rows)])
        for name, m in modalities.items()
    }
    splits = np.array(["train"] * ROWS, dtype=object)
    return Dataset(modalities, arrays, splits=splits, groups=np.arange(ROWS) // 2)


def looked_at(model: MultimodalModel) -> dict[str, float]:
    """A number that all outputs on one batch have a part in, as a score."""
    with torch.no_grad():
        outputs = model.eval()(prepare(toy.toy_batch(8, seed=1), toy_modalities()))
    model.train()
    means = [out.detach().abs().mean() for named in outputs.values() for out in named.values()]
    return {"answer/accuracy": float(torch.stack(means).sum())}


def run(case: str, folder: Path, *, steps: int | None = None) -> Path:
    """Train; the first process writes weights and curves. steps: a signal comes after so many."""
    checkpoints, result = folder / case, folder / f"{case}.safetensors"
    base = case.removesuffix("-divided")
    plan, more = CASES[base]
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    strategy = "fsdp" if case.endswith("-divided") else "auto"
    chosen = toy.settings(epochs=2, checkpoint_every_s=1e9, keep="last", devices=devices, strategy=strategy, **more)
    fabric = launch(
        device="cpu", precision="float32", threads=1, deterministic=True, devices=devices, strategy=strategy
    )
    plugins = Plugins.of(lambda group: [*toy_entry_points(group), *find_installed(group)])
    model = assemble(plan, toy_modalities(), seed=0, plugins=plugins)
    rows, part = dataset(rare=base == "rare-gaps"), (fabric.global_rank, fabric.world_size)

    def loader(epoch: int, start: int) -> Loader:
        return Loader(rows, np.arange(ROWS), batch_size=BATCH, epoch=epoch, start=start, part=part, ahead=0)

    data = Data(lambda epoch, start: iter(loader(epoch, start)), len(loader(0, 0)), toy_modalities())
    goal = Goal(looked_at, weights={"say": 0.3})
    asked = iter(range(1, 10_000))
    try:
        curves = train(
            model, data, goal=goal, settings=chosen, fabric=fabric, checkpoints=Checkpoints(checkpoints), title="toy",
            stop=lambda: 15 if next(asked) == steps else None,
        )  # fmt: skip
    except Interrupted:
        return result
    if fabric.is_global_zero:
        save_tensors(toy.weights(model), result)
        write_curves(result.with_suffix(".csv"), curves)
    return result


def start(cases: Iterable[str], folder: Path, *, processes: int, steps: int | None = None) -> None:
    """Run the script in so many processes, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.training.several", str(folder), str(steps or 0), *cases]
    started = []
    for rank in range(processes):
        world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        torchrun = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test"}
        own = {key: str(value) for key, value in {**world, **torchrun}.items()}
        started.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}, stderr=subprocess.PIPE))
    try:
        said = [process.communicate(timeout=280)[1].decode()[-3000:] for process in started]
    finally:
        for process in started:
            process.kill()
    assert all(process.returncode == 0 for process in started), "\n".join(said)


if __name__ == "__main__":
    where, after, *chosen = sys.argv[1:]
    for name in chosen:
        run(name, Path(where), steps=int(after) or None)
