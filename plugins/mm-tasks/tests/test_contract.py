"""The tasks and the modalities of targets keep the promises of mmcore.interfaces."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mm_tasks.categories import CategoriesModality
from mm_tasks.category import CategoryModality
from mm_tasks.number import NumberModality

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.metric import Table
from mmcore.interfaces.modality import Cell, Modality
from mmcore.testing.modality import ModalityContract
from mmcore.testing.task import TaskContract

WORDS = ["a cat", "b", "a dog b", "cat dog a b"]
TAGS = ["a; b", "b; c", "c", ";", "a; b; c"]
LABELS = ["red", "green", "blue", "red", "red", "green"]


class Letters(Modality):
    """Letters of a small alphabet as text; what it does not know is unknown."""

    ALPHABET = "abcdogt "
    COUNT = len(ALPHABET) + 4

    def fit(self, cells: Iterable[Cell], base: Path) -> None: ...

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> "Letters":
        return cls()

    def facts(self) -> Mapping[str, Any]:
        return {"vocabulary": self.COUNT, "pad": 0, "bos": 1, "eos": 2, "unknown": 3}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        return np.array([1, *(self.ALPHABET.find(letter) + 4 for letter in str(cell)), 2])

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        longest = max(len(array) for array in arrays if array is not None)
        rows = [np.zeros(0, int) if array is None else array for array in arrays]
        values = np.stack([np.pad(row, (0, longest - len(row))) for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        return Field(torch.from_numpy(values), lengths > 0, torch.arange(longest) < lengths.unsqueeze(1))

    def decode(self, values: torch.Tensor) -> list[str]:
        return ["".join(self.ALPHABET[number - 4] for number in row if number > 3) for row in values.tolist()]


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


class TestCategories(ModalityContract):
    name = "categories"

    def cells(self, folder: Path) -> list[Cell]:
        return ["b", "a;b", "红; a", "; ", 1, "a b;a b"]

    def broken(self, folder: Path) -> list[Cell]:
        return ["c", " ", float("nan"), 2, "a;c"]


class TestCategoriesWithAnotherSeparator(TestCategories):
    settings = {"separator": "|"}

    def cells(self, folder: Path) -> list[Cell]:
        return ["b", "a|b", "红| a", "|", 1, "a;b"]


class TestCategoriesInLists(TestCategories):
    def cells(self, folder: Path) -> list[Cell]:
        return ['["b"]', '["红", "a"]', "[]", "[1, 2.5, null]", '["a b"]', "a"]

    def broken(self, folder: Path) -> list[Cell]:
        return ['["c"]', "[null]", "[2]", '[["a"]]']


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

    def perfect(self, predictions: Table, truth: Table) -> Table:
        certain = np.eye(predictions["probabilities"].shape[1])[truth["class"]]
        return {**super().perfect(predictions, truth), "probabilities": certain}


class TestClassificationFromOneStream(TestClassification):
    settings = {"target": "colour", "stream": "question", "pool": "last", "hidden": 8, "dropout": 0.2}


class TestClassificationBalanced(TestClassification):
    settings = {"target": "colour", "pool": "both", "class_weights": "balanced", "label_smoothing": 0.1}


class TestClassificationOfMaxima(TestClassification):
    settings = {"target": "colour", "pool": "max"}


class TestClassificationOfLabels(TaskContract):
    name = "classification"
    settings = {"target": "tags", "label_smoothing": 0.1, "class_weights": "balanced"}

    def fields(self) -> Mapping[str, Modality]:
        tags = CategoriesModality()
        tags.fit(TAGS, Path())
        return {"tags": tags}

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        tags = self.fields()["tags"]
        chosen = torch.randint(len(TAGS), (samples,), generator=generator).tolist()
        field = tags.collate([tags.read(TAGS[number], Path()) for number in chosen])
        return Batch({"tags": field}, row=torch.arange(samples), group=torch.arange(samples))

    def perfect(self, predictions: Table, truth: Table) -> Table:
        return {**super().perfect(predictions, truth), "probabilities": truth["there"].astype(float)}


class TestClassificationOfPlainLabels(TestClassificationOfLabels):
    settings = {"target": "tags"}


class TestClassificationOfTwoClasses(TestClassification):
    settings = {"target": "answer", "positive": "no"}

    def fields(self) -> Mapping[str, Modality]:
        answer = CategoryModality()
        answer.fit(["yes", "no", "yes"], Path())
        return {"answer": answer}

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        field = self.fields()["answer"].collate([np.asarray(number % 2) for number in range(samples)])
        return Batch({"answer": field}, row=torch.arange(samples), group=torch.arange(samples))


class TestClassificationOfTwoClassesByF1(TestClassificationOfTwoClasses):
    settings = {"target": "answer", "decide": "f1"}


class TestClassificationOfLabelsByF1(TestClassificationOfLabels):
    settings = {"target": "tags", "decide": "f1"}


class TestRegression(TaskContract):
    name = "regression"
    settings = {"target": "size"}

    def fields(self) -> Mapping[str, Modality]:
        size = NumberModality()
        size.fit([1.0, 2.0, 6.0], Path())
        return {"size": size}

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        size = self.fields()["size"]
        numbers = torch.randn(samples, generator=generator).tolist()
        field = size.prepare(size.collate([np.asarray(10 * number) for number in numbers]))
        return Batch({"size": field}, row=torch.arange(samples), group=torch.arange(samples))


class TestRegressionByAbsoluteErrors(TestRegression):
    settings = {"target": "size", "error": "mae", "pool": "both", "hidden": 8}


class TestRegressionByHuber(TestRegression):
    settings = {"target": "size", "error": "huber", "delta": 0.5, "stream": "image"}


class TestAlignment(TaskContract):
    name = "alignment"
    settings = {"first": "image", "second": "text", "width": 4}
    writes = {"image": 5, "text": 7}

    def fields(self) -> Mapping[str, Modality]:
        return {"image": NumberModality(), "text": NumberModality()}

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        fields = {
            name: Field(torch.randn(samples, 3, generator=generator), torch.ones(samples, dtype=torch.bool))
            for name in ("image", "text")
        }
        return Batch(fields, row=torch.arange(samples), group=torch.arange(samples))

    def perfect(self, predictions: Table, truth: Table) -> Table:
        return dict.fromkeys(("image", "text"), np.eye(self.samples))


class TestAlignmentOfPairs(TestAlignment):
    settings = {"first": "image", "second": "text", "width": 4, "error": "siglip", "temperature": 0.1, "hidden": 6}


class TestGeneration(TaskContract):
    name = "generation"
    settings = {"target": "text", "metrics": ["perplexity", "exact_match", "symbol_error", "bleu", "cider_d"]}
    writes = {"joint": 5, "text/logits": Letters.COUNT}

    def fields(self) -> Mapping[str, Modality]:
        return {"text": Letters()}

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        letters = Letters()
        words = [WORDS[number % len(WORDS)] for number in range(samples)]
        field = letters.collate([letters.read(word, Path()) for word in words])
        return Batch({"text": field}, row=torch.arange(samples), group=torch.arange(samples) // 2)

    def perfect(self, predictions: Table, truth: Table) -> Table:
        return {**super().perfect(predictions, truth), "nll": np.zeros(self.samples)}


class TestGenerationWithSeveralReferences(TestGeneration):
    settings = {
        "target": "text",
        "label_smoothing": 0.1,
        "references": "group",
        "language": "zh",
        "metrics": ["bits_per_character", "cider_d"],
    }
