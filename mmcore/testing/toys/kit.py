"""A registry that knows only the toys, and rows and batches for them."""

import random
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import torch

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.modality import Cell, Modality
from mmcore.registry.plugins import GROUPS, Plugins
from mmcore.testing.toys.modalities import LabelModality, SequenceModality, VectorModality

TOYS = {
    "modality": {
        "vector": "modalities:VectorModality",
        "sequence": "modalities:SequenceModality",
        "label": "modalities:LabelModality",
    },
    "encoder": {"mlp": "encoders:MLP", "causal_gru": "encoders:CausalGRU"},
    "connector": {"toy_linear": "connector:ToyConnector"},
    "fusion": {"toy_concat": "fusion:ToyConcat", "toy_prefix": "fusion:ToyPrefix"},
    "task": {
        "toy_classification": "task:ToyClassification",
        "toy_generation": "writing:ToyGeneration",
        "toy_alignment": "alignment:ToyAlignment",
    },
}
"""Kind -> name -> module and class in this folder."""

WORDS = ("it", "is", "not", "the", "left", "one")


def toy_entry_points(group: str) -> list[EntryPoint]:
    """The toys of one entry-point group, as if a package had registered them."""
    return [
        EntryPoint(name, f"mmcore.testing.toys.{target}", group)
        for kind, targets in TOYS.items()
        if GROUPS[kind] == group
        for name, target in targets.items()
    ]


def toy_plugins() -> Plugins:
    """Registries in which only the toys are installed."""
    return Plugins.of(toy_entry_points)


def toy_rows(samples: int, *, seed: int = 0) -> list[dict[str, Cell | None]]:
    """Cells of the fields `vector`, `sequence` and `label`, the same for the same seed.

    The label needs both inputs: it is `up` where the first number is positive, and turned round where a word is `not`.
    """
    draw = random.Random(seed)
    rows = list[dict[str, Cell | None]]()
    for _ in range(samples):
        numbers = [draw.uniform(-1, 1) for _ in range(3)]
        words = draw.choices(WORDS, k=draw.randint(2, 6))
        up = (numbers[0] > 0) != ("not" in words)
        vector = " ".join(f"{number:.3f}" for number in numbers)
        rows.append({"vector": vector, "sequence": " ".join(words), "label": "up" if up else "down"})
    return rows


def toy_modalities(rows: Sequence[Mapping[str, Cell | None]] | None = None) -> dict[str, Modality]:
    """The fields of `toy_rows` by name, each with a modality fitted on `rows` (64 of them where none are given)."""
    cells = toy_rows(64) if rows is None else rows
    fields: dict[str, Modality] = {"vector": VectorModality(), "sequence": SequenceModality(), "label": LabelModality()}
    for name, modality in fields.items():
        modality.fit([cell for row in cells if (cell := row[name]) is not None], Path())
    return fields


def toy_batch(samples: int = 8, *, seed: int = 0, absent: Mapping[str, Sequence[int]] | None = None) -> Batch:
    """A collated (not yet prepared) batch of `toy_rows`.

    absent: field name -> the rows of the batch that lack it. Where a field is in every row, it is marked complete.
    """
    modalities, missing = toy_modalities(), absent or {}
    rows = toy_rows(samples, seed=seed)
    fields = dict[str, Field]()
    for name, modality in modalities.items():
        arrays = [modality.read(row[name] or "", Path()) for row in rows]
        gone = set(missing.get(name, ()))
        fields[name] = modality.collate([None if n in gone else array for n, array in enumerate(arrays)])
    numbers = torch.arange(samples)
    return Batch(fields, row=numbers, group=numbers.clone())
