"""One of several labels, as a target."""

# B = samples of a batch

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from mmcore.errors import DataError, listing, near_miss
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown

FILE = "classes.json"


class CategoryModality(Modality):
    """Labels to class numbers. Facts: `classes`, sorted, and `counts`, how often each stands in the training split."""

    numbered = ("classes",)

    def __init__(self) -> None:
        self._classes: tuple[str, ...] = ()
        self._counts: tuple[int, ...] = ()
        self._number = dict[str, int]()

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Every label of the training split. Raises DataError where there are fewer than two."""
        counts = Counter(label for cell in cells if (label := label_of(cell)))
        if len(counts) < 2:
            raise DataError(
                f"the training split has {len(counts)} class(es): {listing(counts)}. At least two are needed to learn "
                "to tell them apart. Look at the column, and at how data.split deals the rows."
            )
        self._set(dict(sorted(counts.items())))

    def save(self, folder: Path) -> None:
        """classes.json."""
        text = json.dumps(dict(zip(self._classes, self._counts, strict=True)), ensure_ascii=False, indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """From classes.json."""
        made = cls(**settings)
        made._set(json.loads((folder / FILE).read_text(encoding="utf-8")))
        return made

    def facts(self) -> Mapping[str, Any]:
        """`classes` and `counts`."""
        return {"classes": self._classes, "counts": self._counts}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """int64 scalar. Raises DataError for a label that the training split does not have."""
        label = label_of(cell)
        if not label:
            raise DataError(f"{cell!r} is no label. Leave the cell empty where the label is not known.")
        if label not in self._number:
            shown = listing(self._classes[:20]) + (", ..." if len(self._classes) > 20 else "")
            hint = near_miss(label, self._classes)
            raise DataError(f"class {label!r} does not occur in the training split.{hint} There are: {shown}.")
        return np.asarray(self._number[label], dtype=np.int64)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """values long [B]; 0 where absent."""
        present = torch.tensor([array is not None for array in arrays])
        values = np.array([0 if array is None else int(array) for array in arrays], dtype=np.int64)
        return Field(torch.from_numpy(values), present)

    def decode(self, values: Tensor) -> list[str]:
        """Class numbers [B] -> labels."""
        return [self._classes[number] for number in values.tolist()]

    def show(self, array: np.ndarray) -> Shown:
        """The label."""
        return "text", self._classes[int(array)]

    def _set(self, counts: Mapping[str, int]) -> None:
        self._classes, self._counts = tuple(counts), tuple(counts.values())
        self._number = {label: number for number, label in enumerate(self._classes)}


def label_of(cell: Cell) -> str:
    """The label of a cell: 1 and 1.0 are one label; nothing for blank text and what is no finite number."""
    if isinstance(cell, float):
        return "" if not math.isfinite(cell) else str(int(cell)) if cell.is_integer() else str(cell)
    return str(cell).strip()
