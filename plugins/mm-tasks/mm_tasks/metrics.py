"""How good classes are told: accuracy, balanced accuracy, macro-F1, cross-entropy."""

from typing import Literal

import numpy as np
from sklearn.metrics import f1_score, recall_score

from mmcore.interfaces.metric import Metric, Table


class Accuracy(Metric):
    """The share of rows whose label is right."""

    better: Literal["up", "down"] = "up"

    def __call__(self, predictions: Table, targets: Table) -> float:
        return _mean(self.rows(predictions, targets))

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """1 where right, else 0."""
        return (predictions["label"] == targets["label"]).astype(np.float64)


class CrossEntropy(Metric):
    """The mean of -log of the probability that was given to the true class, in nats; at most 27.6 (p = 1e-12) a row."""

    better: Literal["up", "down"] = "down"

    def __call__(self, predictions: Table, targets: Table) -> float:
        return _mean(self.rows(predictions, targets))

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """-log p of each row's true class."""
        probabilities, number = predictions["probabilities"], targets["class"]
        chosen = np.take_along_axis(probabilities, number[:, None], 1)[:, 0].astype(np.float64)
        return -np.log(np.maximum(chosen, 1e-12))


class BalancedAccuracy(Metric):
    """The mean of each class's recall, over the classes that are there."""

    better: Literal["up", "down"] = "up"

    def __call__(self, predictions: Table, targets: Table) -> float:
        if not len(targets["label"]):
            return float("nan")
        there = np.unique(targets["label"])
        return float(
            recall_score(targets["label"], predictions["label"], labels=there, average="macro", zero_division=0.0)
        )


class MacroF1(Metric):
    """The mean of each class's F1, over the classes that are there or were predicted."""

    better: Literal["up", "down"] = "up"

    def __call__(self, predictions: Table, targets: Table) -> float:
        if not len(targets["label"]):
            return float("nan")
        return float(f1_score(targets["label"], predictions["label"], average="macro", zero_division=0.0))


def _mean(rows: np.ndarray) -> float:
    return float(rows.mean()) if len(rows) else float("nan")
