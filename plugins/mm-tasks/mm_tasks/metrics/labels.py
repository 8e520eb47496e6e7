"""How good sets of labels are told, any number of which may be right."""

# B = rows, C = labels; predictions: `probabilities` [B,C]; targets: `there` bool [B,C]

from typing import Literal

import numpy as np

from mm_tasks.deciding import Deciding, likely
from mm_tasks.metrics.classes import LEAST, average_precision, f1
from mm_tasks.metrics.kinds import Digested, RowMean, mean
from mmcore.interfaces.metric import Table


class LabelsSaid:
    """What the metrics of labels that are said or not have in common."""

    def __init__(self, decide: Deciding = likely) -> None:
        """decide: from probabilities to the labels that are said."""
        self.decide = decide


class AllLabelsRight(LabelsSaid, RowMean):
    """The share of rows whose whole set of labels is right."""

    better: Literal["up", "down"] = "up"
    share = True

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """1 where every label is told rightly, else 0."""
        return (self.decide(predictions["probabilities"]) == targets["there"]).all(1).astype(np.float64)


class LabelCrossEntropy(RowMean):
    """The mean over rows and labels of -log of the probability of what is true of the label, in nats."""

    better: Literal["up", "down"] = "down"

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """The mean over each row's labels."""
        probabilities = predictions["probabilities"].astype(np.float64)
        given = np.where(targets["there"], probabilities, 1 - probabilities)
        return -np.log(np.maximum(given, LEAST)).mean(1)


class MicroLabelF1(LabelsSaid, Digested):
    """F1 over all pairs of row and label."""

    better: Literal["up", "down"] = "up"
    share = True

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Each row's hits, and how many labels it was given and has."""
        said, true = self.decide(predictions["probabilities"]), targets["there"]
        return {"hits": (said & true).sum(1), "both": said.sum(1) + true.sum(1)}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score; 0 where no label is true or was told."""
        return f1(digest["hits"].sum(), digest["both"].sum(), rows=len(digest["both"]))


class MacroLabelF1(LabelsSaid, Digested):
    """The mean of each label's F1, over the labels that are there or were told."""

    better: Literal["up", "down"] = "up"
    share = True

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Told and true labels."""
        return {"said": self.decide(predictions["probabilities"]), "true": targets["there"]}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        said, true = digest["said"], digest["true"]
        both = said.sum(0) + true.sum(0)
        return mean(2 * (said & true).sum(0)[both > 0] / both[both > 0])


class MeanAveragePrecision(Digested):
    """The mean of each label's average precision, over the labels that are there."""

    better: Literal["up", "down"] = "up"
    share = True

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Probabilities and true labels."""
        return {"score": predictions["probabilities"], "true": targets["there"]}

    def of(self, digest: Table) -> float:
        """Rows of what `digest` gave -> the score."""
        pairs = zip(digest["score"].T, digest["true"].T, strict=True)
        return mean(np.array([average_precision(score, true) for score, true in pairs if true.any()]))
