"""How good classes are told."""

# B = rows, C = classes

from typing import Literal

import numpy as np

from mm_tasks.deciding import Deciding, most_probable
from mm_tasks.metrics.kinds import Digested, RowMean, mean, ratio
from mmcore.interfaces.metric import Table

LEAST = 1e-12
"""Probabilities are taken for at least this much, so that one row cannot make a mean infinite."""
BINS = 15
"""Of the calibration error: as in Guo et al., On Calibration of Modern Neural Networks, 2017 (1706.04599)."""


class ClassSaid:
    """What the metrics of a class that is said have in common."""

    def __init__(self, decide: Deciding = most_probable) -> None:
        """decide: from probabilities to the class that is said."""
        self.decide = decide


class Accuracy(ClassSaid, RowMean):
    """The share of rows whose label is right."""

    better: Literal["up", "down"] = "up"
    share = True

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """1 where right, else 0."""
        return (self.decide(predictions["probabilities"]) == targets["class"]).astype(np.float64)


class CrossEntropy(RowMean):
    """The mean of -log of the probability that was given to the true class, in nats; at most 27.6 a row."""

    better: Literal["up", "down"] = "down"

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """-log p of each row's true class."""
        probabilities, number = predictions["probabilities"], targets["class"]
        given = np.take_along_axis(probabilities, number[:, None], 1)[:, 0].astype(np.float64)
        return -np.log(np.maximum(given, LEAST))


class BalancedAccuracy(ClassSaid, Digested):
    """The mean of each class's recall, over the classes that are there."""

    better: Literal["up", "down"] = "up"
    share = True

    def digest(self, predictions: Table, targets: Table) -> Table:
        """The true class and the predicted one."""
        return pairs(predictions, targets, self.decide)

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        counts = confusion(digest)
        truly = counts.sum(1)
        return mean(counts.diagonal()[truly > 0] / truly[truly > 0])


class MacroF1(ClassSaid, Digested):
    """The mean of each class's F1, over the classes that are there or were predicted."""

    better: Literal["up", "down"] = "up"
    share = True

    def digest(self, predictions: Table, targets: Table) -> Table:
        """The true class and the predicted one."""
        return pairs(predictions, targets, self.decide)

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        counts = confusion(digest)
        either = counts.sum(0) + counts.sum(1)
        return mean(2 * counts.diagonal()[either > 0] / either[either > 0])


class CalibrationError(Digested):
    """How far confidence and accuracy lie apart: over bins of confidence, |mean confidence - accuracy| by rows."""

    better: Literal["up", "down"] = "down"
    share = True

    def digest(self, predictions: Table, targets: Table) -> Table:
        """The confidence in the chosen class, and whether it was right."""
        confidence = predictions["probabilities"].max(1).astype(np.float64)
        right = most_probable(predictions["probabilities"]) == targets["class"]
        return {"confidence": confidence, "right": right.astype(np.float64)}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        confidence = digest["confidence"]
        bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        apart = np.bincount(bins, confidence - digest["right"], BINS)
        return ratio(np.abs(apart).sum(), len(confidence))


class PositiveF1(ClassSaid, Digested):
    """F1 of one class: 2 hits / (predicted + true); 0 where it is neither."""

    better: Literal["up", "down"] = "up"
    share = True

    def __init__(self, positive: int, decide: Deciding = most_probable) -> None:
        """positive: the class's number. decide: from probabilities to the class that is said."""
        super().__init__(decide)
        self.positive = positive

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Whether each row was predicted to be of the class, and whether it is."""
        said = self.decide(predictions["probabilities"]) == self.positive
        return {"said": said, "true": targets["class"] == self.positive}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        said, true = digest["said"], digest["true"]
        return f1((said & true).sum(), said.sum() + true.sum(), rows=len(said))


class PositiveAreaUnderPrecisionRecall(Digested):
    """Average precision of one class: the mean of the precision at each step of recall, without interpolation."""

    better: Literal["up", "down"] = "up"
    share = True

    def __init__(self, positive: int) -> None:
        """positive: the class's number."""
        self.positive = positive

    def digest(self, predictions: Table, targets: Table) -> Table:
        """The probability of the class, and whether the row is of it."""
        return {"score": predictions["probabilities"][:, self.positive], "true": targets["class"] == self.positive}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score; nan where no row is of the class."""
        return average_precision(digest["score"], digest["true"])


def f1(hits: float, both: float, *, rows: int) -> float:
    """both: how many were told and how many are true, together; 0 where neither is, nan where there are no rows."""
    if not rows:
        return float("nan")
    return 2 * float(hits) / float(both) if both else 0.0


def average_precision(score: np.ndarray, true: np.ndarray) -> float:
    """score, true: [B]. Rows of equal score are taken together; nan where none is true."""
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(true[order])
    if not len(hits) or not hits[-1]:
        return float("nan")
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    precision, recall = hits[ends] / (ends + 1), hits[ends] / hits[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def pairs(predictions: Table, targets: Table, decide: Deciding) -> Table:
    """`true` and `said` [B]: class numbers."""
    return {"true": targets["class"], "said": decide(predictions["probabilities"])}


def confusion(digest: Table) -> np.ndarray:
    """[C,C] counts: first axis the true class, second the predicted one; C as high as any of them."""
    true, said = digest["true"], digest["said"]
    classes = int(max(true.max(initial=0), said.max(initial=0))) + 1
    # One bincount: intervals ask for this a thousand times, and libraries take 10 ms for it.
    return np.bincount(true * classes + said, minlength=classes**2).reshape(classes, classes)
