"""Toy modalities: numbers, words and labels, each a cell of text."""

# B = samples of a batch, S = positions of a sequence, D = numbers of a vector

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
from torch import Tensor

from mmcore.errors import DataError, listing
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown
from mmcore.interfaces.settings import Range


class ToyModality(Modality):
    """What the toys share: the learned facts are one JSON file."""

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}

    def save(self, folder: Path) -> None:
        """facts.json."""
        (folder / "facts.json").write_text(json.dumps(self._facts, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """From facts.json."""
        made = cls(**settings)
        found = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        made._facts = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
        return made

    def facts(self) -> Mapping[str, Any]:
        """What `fit` learned."""
        return dict(self._facts)


class VectorModality(ToyModality):
    """Numbers with blanks between, as many in each cell: `0.5 -1.25 3`. Facts: numbers."""

    def __init__(self, *, noise: Annotated[float, Range(0, 1)] = 0.0) -> None:
        """noise: deviation of what `augment` adds."""
        super().__init__()
        self.noise = noise

    @property
    def augments(self) -> bool:
        """Only where there is noise."""
        return self.noise > 0

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """How many numbers a cell has: as many as the first."""
        first = next(iter(cells), None)
        if first is None:
            raise DataError("the training split has no vector. Give it rows that have one.")
        self._facts = {"numbers": len(str(first).split())}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """float32 [D]."""
        try:
            array = np.array([float(part) for part in str(cell).split()], dtype=np.float32)
        except ValueError as error:
            raise DataError(f"{cell!r} is no vector: {error}.", path=str(cell)) from error
        if len(array) != self._facts["numbers"] or not np.isfinite(array).all():
            raise DataError(f"{cell!r} does not hold {self._facts['numbers']} finite numbers.", path=str(cell))
        return array

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """values [B,D]; zero where absent."""
        filler = np.zeros(self._facts["numbers"], dtype=np.float32)
        values = np.stack([filler if array is None else array for array in arrays])
        return _field(torch.from_numpy(values), arrays)

    def augment(self, field: Field, generator: torch.Generator) -> Field:
        """A little noise."""
        noise = torch.randn(field.values.shape, generator=generator, device=generator.device)
        return field.with_values(field.values + self.noise * noise)


class SequenceModality(ToyModality):
    """Words with blanks between, of any number. Facts: vocabulary, pad, bos, eos, unknown, max_tokens, tokens."""

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Every word of the training split."""
        words = sorted({word for cell in cells for word in str(cell).split()})
        tokens = ("<pad>", "<bos>", "<eos>", "<unknown>", *words)
        special = {"pad": 0, "bos": 1, "eos": 2, "unknown": 3}
        self._facts = {"vocabulary": len(tokens), "max_tokens": 64, "tokens": tokens, **special}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """int64 [S] with bos in front and eos behind."""
        if not str(cell).strip():
            raise DataError("an empty text has no words.", path=str(cell))
        number = {token: n for n, token in enumerate(self._facts["tokens"])}
        words = [number.get(word, self._facts["unknown"]) for word in str(cell).split()]
        return np.array([self._facts["bos"], *words, self._facts["eos"]], dtype=np.int64)

    def prompt(self, cell: Cell, base: Path) -> np.ndarray:
        """Without the eos."""
        return self.read(cell, base)[:-1]

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """values [B,S] padded on the right, mask [B,S]."""
        rows = [np.zeros(0, dtype=np.int64) if array is None else array for array in arrays]
        length = max(1, *(len(row) for row in rows))
        values = torch.full((len(rows), length), self._facts["pad"])
        for n, row in enumerate(rows):
            values[n, : len(row)] = torch.tensor(row)
        mask = torch.arange(length) < torch.tensor([len(row) for row in rows]).unsqueeze(1)
        return _field(values, arrays, mask)

    def decode(self, values: Tensor) -> list[str]:
        """ids [B,S] -> words; what is special is left out."""
        tokens = self._facts["tokens"]
        return [" ".join(tokens[number] for number in row if number > 3) for row in values.tolist()]


class LabelModality(ToyModality):
    """One of several labels, for targets. Facts: classes, counts."""

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """The labels in order, and how often each was seen."""
        labels = [str(cell) for cell in cells]
        if len(set(labels)) < 2:
            raise DataError(f"the training split has the labels {listing(set(labels))} only: nothing can be learned.")
        classes = tuple(sorted(set(labels)))
        self._facts = {"classes": classes, "counts": tuple(labels.count(label) for label in classes)}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """int64 scalar."""
        if str(cell) not in self._facts["classes"]:
            raise DataError(f"the label {cell!r} is not among {listing(self._facts['classes'])}.", path=str(cell))
        return np.array(self._facts["classes"].index(str(cell)), dtype=np.int64)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """values long [B]; 0 where absent."""
        values = np.array([0 if array is None else int(array) for array in arrays], dtype=np.int64)
        return _field(torch.from_numpy(values), arrays)

    def decode(self, values: Tensor) -> list[str]:
        """Classes [B] -> labels."""
        return [self._facts["classes"][number] for number in values.tolist()]

    def show(self, array: np.ndarray) -> Shown:
        """The label."""
        return "text", self._facts["classes"][int(array)]


def _field(values: Tensor, arrays: Sequence[np.ndarray | None], mask: Tensor | None = None) -> Field:
    present = torch.tensor([array is not None for array in arrays])
    return Field(values, present, mask, complete=all(array is not None for array in arrays))
