"""How good classes are told: accuracy, balanced accuracy, macro-F1, cross-entropy."""

# B = rows, C = classes

from typing import Literal

import numpy as np

from mmcore.interfaces.metric import Metric, Table

LEAST = 1e-12
"""Probabilities are taken for at least this much, so that one row cannot make a mean infinite."""


class Accuracy(Metric):
    """The share of rows whose label is right."""

    better: Literal["up", "down"] = "up"

    def __call__(self, predictions: Table, targets: Table) -> float:
        return _mean(self.rows(predictions, targets))

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """1 where right, else 0."""
        return (_chosen(predictions) == targets["class"]).astype(np.float64)


class CrossEntropy(Metric):
    """The mean of -log of the probability that was given to the true class, in nats; at most 27.6 a row."""

    better: Literal["up", "down"] = "down"

    def __call__(self, predictions: Table, targets: Table) -> float:
        return _mean(self.rows(predictions, targets))

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """-log p of each row's true class."""
        probabilities, number = predictions["probabilities"], targets["class"]
        given = np.take_along_axis(probabilities, number[:, None], 1)[:, 0].astype(np.float64)
        return -np.log(np.maximum(given, LEAST))


class BalancedAccuracy(Metric):
    """The mean of each class's recall, over the classes that are there."""

    better: Literal["up", "down"] = "up"

    def __call__(self, predictions: Table, targets: Table) -> float:
        counts = confusion(predictions, targets)
        truly = counts.sum(1)
        return _mean(counts.diagonal()[truly > 0] / truly[truly > 0])


class MacroF1(Metric):
    """The mean of each class's F1, over the classes that are there or were predicted."""

    better: Literal["up", "down"] = "up"

    def __call__(self, predictions: Table, targets: Table) -> float:
        counts = confusion(predictions, targets)
        either = counts.sum(0) + counts.sum(1)
        return _mean(2 * counts.diagonal()[either > 0] / either[either > 0])


def confusion(predictions: Table, targets: Table) -> np.ndarray:
    """[C,C] counts: first axis the true class, second the predicted one."""
    classes = predictions["probabilities"].shape[1]
    # One bincount: intervals ask for this a thousand times, and libraries take 10 ms for it.
    pairs = np.bincount(targets["class"] * classes + _chosen(predictions), minlength=classes**2)
    return pairs.reshape(classes, classes)


def _chosen(predictions: Table) -> np.ndarray:
    """[B] number of the class with the highest probability."""
    return predictions["probabilities"].argmax(1)


def _mean(rows: np.ndarray) -> float:
    return float(rows.mean()) if len(rows) else float("nan")
