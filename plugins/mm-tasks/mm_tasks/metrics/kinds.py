"""The two kinds of metrics: a mean over rows, and what comes to a number only when all rows are together."""

from abc import abstractmethod

import numpy as np

from mmcore.interfaces.metric import Metric, Table


class RowMean(Metric):
    """A mean over rows; a subclass writes `rows`."""

    def __call__(self, predictions: Table, targets: Table) -> float:
        """The mean over the rows that count."""
        rows = self.rows(predictions, targets)
        return mean(rows[~np.isnan(rows)])

    @abstractmethod
    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """One number a row; nan where it does not count."""


class Digested(Metric):
    """A subclass writes `digest`, and what its rows come to."""

    def __call__(self, predictions: Table, targets: Table) -> float:
        """`of` all rows."""
        return self.of(self.digest(predictions, targets))

    @abstractmethod
    def digest(self, predictions: Table, targets: Table) -> Table:
        """What of each row decides the score."""

    @abstractmethod
    def of(self, digest: Table) -> float:
        """The score of these rows."""


def mean(values: np.ndarray) -> float:
    """nan where there is nothing."""
    return float(values.mean()) if len(values) else float("nan")


def ratio(above: float, below: float) -> float:
    """nan where there is nothing to divide by."""
    return float(above) / float(below) if below else float("nan")
