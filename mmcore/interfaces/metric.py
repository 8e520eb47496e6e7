"""A metric: a number from a table of predictions and a table of targets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import numpy as np

Table = Mapping[str, np.ndarray]
"""Columns by name, all of one length: first axis = rows."""


class Metric(ABC):
    """A function of two tables; intervals, slices, floors and folds are made from it without knowing what it is."""

    better: Literal["up", "down"]

    @abstractmethod
    def __call__(self, predictions: Table, targets: Table) -> float:
        """The score over all rows; nan where it is not defined on them (no rows, one class only)."""

    def rows(self, predictions: Table, targets: Table) -> np.ndarray | None:
        """One number a row whose mean is the score, for fast intervals; None where it is no mean over rows."""
        return None
