"""One finite number, as a target."""

# B = samples of a batch

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from mmcore.errors import DataError
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown

FILE = "number.json"
TRUTHS = {"true": 1.0, "false": 0.0}
"""As a table of texts has what is a truth value in others."""
LARGE = 1e150
"""Squares of larger numbers are none that a float64 holds."""


class NumberModality(Modality):
    """Numbers, standardised by `prepare`. Facts: `mean` and `std` of the training split."""

    def __init__(self) -> None:
        self._mean, self._std = 0.0, 1.0

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Mean and deviation. Raises DataError where there is no number; where all are one, the deviation is 1."""
        numbers = [number for cell in cells if (number := _number(cell)) is not None]
        if not numbers:
            raise DataError("the training split has no finite number in this column.")
        if min(numbers) == max(numbers):  # their mean may miss them by a rounding error, which is no deviation
            self._mean, self._std = numbers[0], 1.0
            return
        largest = max(map(abs, numbers))
        scale = largest if largest > LARGE else 1.0
        scaled = [number / scale for number in numbers]
        mean = math.fsum(scaled) / len(scaled)
        deviation = math.sqrt(math.fsum((number - mean) ** 2 for number in scaled) / len(scaled))
        self._mean, self._std = mean * scale, deviation * scale or 1.0

    def save(self, folder: Path) -> None:
        """number.json."""
        (folder / FILE).write_text(json.dumps({"mean": self._mean, "std": self._std}) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """From number.json."""
        made = cls(**settings)
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        made._mean, made._std = found["mean"], found["std"]
        return made

    def facts(self) -> Mapping[str, Any]:
        """`mean` and `std`."""
        return {"mean": self._mean, "std": self._std}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """float64 scalar, as it is. Raises DataError for what is no finite number."""
        number = _number(cell)
        if number is None:
            raise DataError(f"{cell!r} is no finite number.")
        return np.asarray(number, dtype=np.float64)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """values float64 [B]; the mean where absent."""
        present = torch.tensor([array is not None for array in arrays])
        values = np.array([self._mean if array is None else float(array) for array in arrays])
        return Field(torch.from_numpy(values), present)

    def prepare(self, field: Field) -> Field:
        """(value - mean) / std, float32: only now, since a year or a price in float32 has lost its last digits."""
        return field.with_values(((field.values - self._mean) / self._std).float())

    def decode(self, values: Tensor) -> list[float]:
        """Standardised numbers [B] -> numbers."""
        return (values.double() * self._std + self._mean).tolist()

    def show(self, array: np.ndarray) -> Shown:
        """The number."""
        return "number", float(array)


def _number(cell: Cell) -> float | None:
    if isinstance(cell, str) and (truth := TRUTHS.get(cell.strip().lower())) is not None:
        return truth
    try:
        number = float(cell)
    except (ValueError, OverflowError):  # the latter of whole numbers that no float holds
        return None
    return number if math.isfinite(number) else None
