"""Any number of labels at once, as a target."""

# B = samples of a batch, C = labels

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from mm_tasks.category import label_of
from mmcore.errors import ConfigError, DataError, listing, near_miss
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown

FILE = "labels.json"


class CategoriesModality(Modality):
    """A cell lists labels: `red; round`, or `["red", "round"]`, as sources write the lists of a table.

    A cell that holds the separator alone, or `[]`, has no label, and is known to have none; an empty one is missing.
    Facts: `labels`, sorted, `counts`, how many training rows have each, `rows`.
    """

    numbered = ("labels",)

    def __init__(self, *, separator: str = ";") -> None:
        """separator: what stands between two labels of a cell. Raises ConfigError where it is blank."""
        super().__init__()
        if not separator.strip():
            raise ConfigError(f"the separator of labels must be a sign that can be seen but got {separator!r}.")
        self.separator = separator
        self._counts = dict[str, int]()
        self._rows = 0
        self._number = dict[str, int]()

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Every label of the training split. Raises DataError where there is none."""
        counts, rows = Counter[str](), 0
        for cell in cells:
            counts.update(self._labels(cell))
            rows += 1
        if not counts:
            raise DataError("the training split has no label in this column: there is nothing to tell.")
        self._set(dict(sorted(counts.items())), rows)

    def save(self, folder: Path) -> None:
        """labels.json."""
        text = json.dumps({"rows": self._rows, "labels": self._counts}, ensure_ascii=False, indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """From labels.json."""
        made = cls(**settings)
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        made._set(found["labels"], found["rows"])
        return made

    def facts(self) -> Mapping[str, Any]:
        """`labels`, `counts`, `rows`, `separator`."""
        counts = tuple(self._counts.values())
        return {"labels": tuple(self._counts), "counts": counts, "rows": self._rows, "separator": self.separator}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """uint8 [C], 1 for each label. Raises DataError for an empty cell and for a label that training never saw."""
        labels = self._labels(cell)
        if not labels and self.separator not in str(cell) and _listed(cell) != []:
            raise DataError(f"{cell!r} holds no label. Leave the cell empty, or write {self.separator!r} for none.")
        found = np.zeros(len(self._counts), dtype=np.uint8)
        for label in labels:
            if label not in self._number:
                hint, shown = near_miss(label, self._number), listing(list(self._counts)[:20])
                raise DataError(
                    f"{cell!r}: label {label!r} does not occur in the training split.{hint} There are: {shown}."
                )
            found[self._number[label]] = 1
        return found

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """values uint8 [B,C]; all 0 where absent."""
        present = torch.tensor([array is not None for array in arrays])
        none = np.zeros(len(self._counts), dtype=np.uint8)
        return Field(torch.from_numpy(np.stack([none if array is None else array for array in arrays])), present)

    def decode(self, values: Tensor) -> list[str]:
        """[B,C] -> labels with the separator between; the separator alone where there is none."""
        return [self._written(row) for row in values.tolist()]

    def show(self, array: np.ndarray) -> Shown:
        """The labels."""
        return "text", self._written(array.tolist())

    def _written(self, row: Sequence[int]) -> str:
        labels = [label for label, there in zip(self._counts, row, strict=True) if there]
        return f"{self.separator} ".join(labels) or self.separator

    def _labels(self, cell: Cell) -> list[str]:
        parts = _listed(cell)
        if parts is None:
            parts = cell.split(self.separator) if isinstance(cell, str) else [cell]
        return list(dict.fromkeys(label for part in parts if (label := label_of(part))))

    def _set(self, counts: Mapping[str, int], rows: int) -> None:
        self._counts, self._rows = dict(counts), rows
        self._number = {label: number for number, label in enumerate(self._counts)}


def _listed(cell: Cell) -> list[Cell] | None:
    """The items of a JSON list of texts and numbers, null as a blank one; None where the cell is no such list."""
    if not isinstance(cell, str) or not cell.lstrip().startswith("["):
        return None
    try:
        found = json.loads(cell)
    except ValueError:  # a label may begin with a bracket
        return None
    if any(isinstance(item, list | dict) for item in found):
        return None
    return ["" if item is None else item for item in found]
