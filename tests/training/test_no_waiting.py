"""A training step asks the device for nothing: whoever reads a number of it waits until all work is done."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.assemble import assemble
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.loop import Data, Goal, train
from tests.training import toy

WAITING = ("aten._local_scalar_dense", "aten.is_nonzero", "aten.nonzero", "aten.equal", "aten.masked_select")
"""What .item(), float(), if, `where` and boolean indexing come down to."""

PLAN = ModelPlan(
    modalities={
        "image": Part("image", {"size_px": 16, "flip_horizontal": 0.5, "shift_px": 2, "rotation_deg": 5.0}),
        "text": Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": 16}),
        "label": Part("category", {}),
    },
    encoders={
        "image": EncoderPlan(Part("cnn", {"widths": [8, 8], "strides": [1, 2], "groups": 4, "stem_width": 8})),
        "text": EncoderPlan(Part("transformer", {"width": 16, "layers": 1, "heads": 2, "dropout": 0.1})),
    },
    fusion=Part("cross", {"into": "text", "of": ["image"], "width": 16}),
    tasks={
        "answer": Part("classification", {"target": "label", "stream": "text"}),
        "near": Part("alignment", {"first": "image", "second": "text", "width": 8}),
    },
    settings=type(toy.PLAN.settings)(modality_dropout=0.1),
)


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Counter[str]()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).rsplit(".", 1)[0]
        if name in WAITING or (name == "aten.index" and any(t.dtype == torch.bool for t in args[1] if t is not None)):
            self.seen[name] += 1
        return func(*args, **(kwargs or {}))


def modalities() -> dict[str, Modality]:
    found = {name: installed().modality.build(part, where=name) for name, part in PLAN.modalities.items()}
    for name, cells in {"image": ["a.png"], "text": ["one two", "three"], "label": ["a", "b"]}.items():
        found[name].fit(cells, Path())
    return found


def batches(count: int, *, gaps: bool) -> list[Batch]:
    readers, draw, found = modalities(), np.random.default_rng(0), []
    for number in range(count):
        arrays = {
            "image": [draw.integers(0, 255, (16, 16, 3)).astype(np.uint8) for _ in range(6)],
            "text": [readers["text"].read(word, Path()) for word in ("one", "two", "three", "one two", "three", "one")],
            "label": [readers["label"].read("ab"[n % 2], Path()) for n in range(6)],
        }
        if gaps:
            arrays["image"][number % 6] = None
        fields = {name: readers[name].collate(found) for name, found in arrays.items()}
        found.append(Batch(fields, row=torch.arange(6), group=torch.arange(6)))
    return found


def waits_of_steps(tmp_path: Path, *, gaps: bool = True, **settings) -> list[int]:
    """How often each step but the first waits."""
    fed = batches(5, gaps=gaps)
    model = assemble(PLAN, modalities(), seed=0, plugins=installed())
    fabric = launch(device="cpu", precision="float32", threads=1, deterministic=True)
    counts, mode = list[int](), Waits()

    def after_a_step() -> None:
        counts.append(mode.seen.total())

    def feed(epoch: int, start: int) -> Iterator[Batch]:
        return iter(fed[start:])

    with mode:
        train(
            model, Data(feed, len(fed), modalities()), goal=Goal(None), fabric=fabric, stop=after_a_step, title="toy",
            settings=toy.settings(epochs=1, checkpoint_every_s=1e9, **settings), checkpoints=Checkpoints(tmp_path),
        )  # fmt: skip
    return np.diff(counts).tolist()


@pytest.mark.parametrize(
    "settings", [{}, {"ema": 0.9}, {"accumulate": 2}, {"chunk": 3}, {"gaps": False}], ids=lambda chosen: str(chosen)
)
def test_a_step_does_not_wait(tmp_path: Path, settings: dict) -> None:
    found = waits_of_steps(tmp_path, **settings)
    assert found
    assert not any(found)


def test_the_count_sees_who_waits() -> None:
    with Waits() as mode:
        numbers = torch.arange(3.0)
        float(numbers[0])
        numbers[numbers > 1]
        if numbers[1]:
            numbers.nonzero()
    assert mode.seen.total() >= 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_a_step_on_a_gpu_does_not_wait(tmp_path: Path) -> None:
    fed = batches(5, gaps=True)
    model = assemble(PLAN, modalities(), seed=0, plugins=installed())
    fabric = launch(device="cuda", precision="bfloat16", threads=1, deterministic=False)
    steps = iter(range(10))

    def after_a_step() -> None:
        torch.cuda.set_sync_debug_mode("error" if 0 < next(steps) < 4 else "default")

    data = Data(lambda epoch, start: iter(fed[start:]), len(fed), modalities())
    chosen = toy.settings(epochs=1, checkpoint_every_s=1e9, compile="off", deterministic=False)
    train(
        model, data, goal=Goal(None), settings=chosen, fabric=fabric, checkpoints=Checkpoints(tmp_path), title="toy",
        stop=after_a_step,
    )  # fmt: skip
