"""The tasks and the modalities of targets keep the promises of mmcore.interfaces."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from mm_tasks.category import CategoryModality
from mm_tasks.number import NumberModality

from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Cell, Modality
from mmcore.testing.modality import ModalityContract
from mmcore.testing.task import TaskContract

LABELS = ["red", "green", "blue", "red", "red", "green"]


class TestCategory(ModalityContract):
    name = "category"

    def cells(self, folder: Path) -> list[Cell]:
        return ["b", "a", "红", "a", 1, "a b"]

    def broken(self, folder: Path) -> list[Cell]:
        return ["c", " ", float("nan"), 2]


class TestNumber(ModalityContract):
    name = "number"

    def cells(self, folder: Path) -> list[Cell]:
        return [1, 2.5, "3", -4e3, True, 1_700_000_000]

    def broken(self, folder: Path) -> list[Cell]:
        return ["many", "", float("nan"), float("inf"), "-inf"]


class TestClassification(TaskContract):
    name = "classification"
    settings = {"target": "colour"}

    def fields(self) -> Mapping[str, Modality]:
        colour, size = CategoryModality(), NumberModality()
        colour.fit(LABELS, Path())
        size.fit([1.0, 2.0], Path())
        return {"colour": colour, "size": size}

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        chosen = torch.randint(3, (samples,), generator=generator).tolist()
        field = self.fields()["colour"].collate([np.asarray(number) for number in chosen])
        return Batch({"colour": field}, row=torch.arange(samples), group=torch.arange(samples))


class TestClassificationFromOneStream(TestClassification):
    settings = {"target": "colour", "stream": "question", "pool": "last", "hidden": 8, "dropout": 0.2}


class TestClassificationBalanced(TestClassification):
    settings = {"target": "colour", "pool": "both", "class_weights": "balanced", "label_smoothing": 0.1}


class TestClassificationOfMaxima(TestClassification):
    settings = {"target": "colour", "pool": "max"}
