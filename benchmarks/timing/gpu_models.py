"""The models that benchmarks/gpu.py trains, with a batch of each on the device."""

# B = samples, S = tokens of a text

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.data.dataset import Dataset
from mmcore.data.loader import Loader
from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter
from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.training.compiled import LONG, compiled
from mmcore.training.optimizer import build_optimizer
from mmcore.training.settings import TrainingSettings
from mmcore.training.step import Carried, Stepper

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass
class Case:
    """A model, a batch on its device, and what a step costs."""

    name: str
    model: MultimodalModel
    readers: dict[str, Modality]
    batch: Batch
    """Raw, on the device."""
    arrays: dict[str, list[np.ndarray]]
    """What the batch was made of."""
    operations: float
    """Of one step, forward and backward: 6 for each parameter and token, and what attention adds."""
    units: int = 1
    """Of each sample, in what is counted: samples, or tokens."""
    unit: str = "samples"

    def with_texts(self, shortest: int, longest: int) -> Batch:
        """The batch with other texts, of lengths between these."""
        reader, field = self.readers["text"], self.batch.fields["text"]
        draw, signs = np.random.default_rng(1), len(reader.read("", Path()))
        lengths = draw.integers(shortest - signs, longest - signs, len(self.batch), endpoint=True)
        texts = ["".join(draw.choice(list(LETTERS), length)) for length in lengths]
        new = replace(reader.collate([reader.read(text, Path()) for text in texts]), complete=True)
        return self.batch.with_fields({"text": new.to(field.values.device)})

    @contextmanager
    def training(self) -> Iterator[Callable[[Batch], None]]:
        """A whole training step of mmcore in bf16, compiled as in a training."""
        fabric = launch(device="auto", precision="bfloat16", threads=1, deterministic=False)
        carried = fabric.setup_module(Carried(self.model))
        optimizer: Any = fabric.setup_optimizers(build_optimizer(self.model, TrainingSettings(monitor="-/-")))
        self.model.train()
        generator = torch.Generator(device=fabric.device)
        stepper = Stepper(carried, self.model, fabric, self.readers, {}, generator)

        def step(batch: Batch) -> None:
            stepper.backward([batch])
            optimizer.step()
            optimizer.zero_grad()

        with compiled(self.model, when="auto", device=fabric.device, steps=LONG):
            yield step


def dual_encoder(size: str, device: torch.device, *, tiny: bool) -> Case:
    """A vision transformer and a text transformer, brought together as CLIP does."""
    name, depth, width = {"B/16": ("vit_base_patch16_224", 12, 768), "L/14": ("vit_large_patch14_224", 24, 1024)}[size]
    patch, words = int(size[2:]), 76
    batch, side = (4, 32) if tiny else ({"B/16": 512, "L/14": 192}[size], 224)
    model = "vit_tiny_patch16_224" if tiny else name
    text = {"width": 32, "layers": 1, "heads": 2} if tiny else {"width": 512, "layers": 12, "heads": 8}
    plan = ModelPlan(
        modalities={
            "image": Part("image", {"size_px": side}),
            "text": Part("text", {"kind": "character", "vocabulary_size": 64, "max_tokens": words}),
        },
        encoders={
            "image": EncoderPlan(Part("timm", {"model": model, "output": "global"})),
            "text": EncoderPlan(Part("transformer", {**text, "dropout": 0.0})),
        },
        fusion=Part("align", {}),
        tasks={"near": Part("alignment", {"first": "image", "second": "text", "width": 512})},
    )
    readers = _readers(plan)
    draw = np.random.default_rng(0)
    arrays = {
        "image": [draw.integers(0, 255, (side, side, 3)).astype(np.uint8) for _ in range(batch)],
        "text": [readers["text"].read("".join(draw.choice(list(LETTERS), words - 4)), Path()) for _ in range(batch)],
    }
    built = assemble(plan, readers, seed=0, plugins=installed())
    tokens = {"image": (side // patch) ** 2 + 1, "text": len(arrays["text"][0])}
    layers = {"image": (depth, width), "text": (text["layers"], text["width"])}
    operations = sum(_operations(built, field, tokens[field], *layers[field]) for field in tokens)
    return Case(f"dual encoder ViT-{size}", built, readers, _batch(readers, arrays, device), arrays, batch * operations)


def captions(device: torch.device, *, tiny: bool) -> Case:
    """A causal decoder of 300 M parameters behind a prefix of 256 tokens, itself 256 tokens long."""
    batch, words = (2, 16) if tiny else (64, 256)
    width, layers, heads = (32, 2, 2) if tiny else (1024, 24, 16)
    text = {"kind": "character", "vocabulary_size": 64, "max_tokens": words}
    before = {"width": 32 if tiny else 256, "layers": 1, "heads": 2, "dropout": 0.0}
    writer = {"width": width, "layers": layers, "heads": heads, "causal": True, "dropout": 0.0}
    plan = ModelPlan(
        modalities={"given": Part("text", text), "text": Part("text", text)},
        encoders={
            "given": EncoderPlan(Part("transformer", before)),
            "text": EncoderPlan(Part("transformer", writer)),
        },
        fusion=Part("prefix", {"into": "text", "connector": {"name": "linear"}}),
        tasks={"say": Part("generation", {"target": "text"})},
    )
    readers = _readers(plan)
    draw = np.random.default_rng(0)
    arrays = {
        name: [reader.read("".join(draw.choice(list(LETTERS), words - 4)), Path()) for _ in range(batch)]
        for name, reader in readers.items()
    }
    built = assemble(plan, readers, seed=0, plugins=installed())
    tokens = len(arrays["given"][0]) + len(arrays["text"][0])
    operations = _operations(built, "text", tokens, layers, width)
    found = _batch(readers, arrays, device)
    return Case("causal decoder 300 M", built, readers, found, arrays, batch * operations, tokens, "tokens")


def from_store(case: Case, folder: Path, *, count: int, pin: bool) -> Iterator[Batch]:
    """As many batches of the case's arrays, written to stores first and read from there."""
    size = len(case.batch)
    stores = dict[str, Store]()
    for name, arrays in case.arrays.items():
        writer = StoreWriter(folder / name)
        for array in arrays:
            writer.add(array)
        writer.finish(np.arange(size))
        stores[name] = Store(folder / name)
    splits = np.array(["train"] * size, dtype=object)
    dataset = Dataset(case.readers, stores, splits=splits, groups=np.arange(size))
    rows = np.tile(np.arange(size), count)
    return iter(Loader(dataset, rows, batch_size=size, shuffle=True, pin=pin))


def _readers(plan: ModelPlan) -> dict[str, Modality]:
    found = {name: installed().modality.build(part, where=name) for name, part in plan.modalities.items()}
    for name, reader in found.items():
        reader.fit(["a.jpg"] if name == "image" else [LETTERS], Path())
    return found


def _batch(readers: dict[str, Modality], arrays: dict[str, list[np.ndarray]], device: torch.device) -> Batch:
    # Nothing is absent, which the data of a training know.
    fields = {name: replace(readers[name].collate(found), complete=True) for name, found in arrays.items()}
    rows = torch.arange(len(next(iter(arrays.values()))))
    return Batch(fields, row=rows, group=rows.clone()).to(device)


def _operations(model: MultimodalModel, field: str, tokens: int, depth: int, width: int) -> float:
    """Of one sample, forward and backward: 6 N a token (2001.08361, sec. 2.1), and 12 D S^2 a layer for attention."""
    weights = sum(p.numel() for name, p in model.encoder(field).named_parameters() if p.ndim >= 2 and "emb" not in name)
    return 6.0 * weights * tokens + 12.0 * depth * width * tokens**2
