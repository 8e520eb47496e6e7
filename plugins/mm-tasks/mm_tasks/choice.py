"""What a classification learns: one class of several, or any number of labels."""

# B = samples of a batch, C = classes or labels

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_tasks.deciding import Decide, f1_threshold, likely, most_probable
from mm_tasks.metrics import (
    Accuracy,
    AllLabelsRight,
    BalancedAccuracy,
    CalibrationError,
    CrossEntropy,
    LabelCrossEntropy,
    MacroF1,
    MacroLabelF1,
    MeanAveragePrecision,
    MicroLabelF1,
    PositiveAreaUnderPrecisionRecall,
    PositiveF1,
)
from mmcore.errors import BuildError, ConfigError, listing
from mmcore.interfaces.field import Field
from mmcore.interfaces.metric import Metric, Table

Weights = Literal["none", "balanced"]


class Choice(nn.Module):
    """From logits [B,C] and a target field to a loss, tables and metrics."""

    names: np.ndarray
    """[C] of texts."""

    @abstractmethod
    def loss(self, logits: Tensor, target: Field) -> Tensor:
        """The mean over the rows that have a target; 0 where none has."""

    def counts(self, target: Field) -> Tensor:
        """What that mean is over: the rows that have a target."""
        return target.present.sum()

    def settle(self, predictions: Table, truth: Table) -> str | None:
        """As `Task.settle`."""
        return None

    @abstractmethod
    def predict(self, logits: Tensor) -> Table:
        """What is told of each row."""

    @abstractmethod
    def truth(self, values: np.ndarray) -> Table:
        """The target's values in the form that metrics compare with."""

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """By name, the one that it is judged by first."""

    @abstractmethod
    def floor(self, truth: Table, rows: int) -> Table:
        """Predictions of one who saw the training targets alone."""


class OneOf(Choice):
    """A class, by softmax."""

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        weights: Weights,
        label_smoothing: float,
        positive: str | None,
        decide: Decide,
        target: str,
    ) -> None:
        """facts: classes and, for balanced weights, counts. positive: of two classes the one that F1 is about.

        Raises BuildError where counts are missing, ConfigError where `positive` is no class, or where it or F1 is
        asked for and there are more than two.
        """
        super().__init__()
        self.names = np.array(facts["classes"], dtype=object)
        self.label_smoothing = label_smoothing
        self.positive = _positive(facts["classes"], positive)
        self.weights: Tensor
        # Told by the data of today: a training that starts from another model's weights keeps its own.
        self.register_buffer("weights", _class_weights(facts, weights, target=target), persistent=False)
        self.threshold: Tensor | None
        self.register_buffer("threshold", torch.tensor(0.5) if decide == "f1" else None)
        if decide == "f1" and self.positive is None:
            raise ConfigError(
                f"decide: f1 needs two classes, or labels; the target {target!r} has {len(self.names)} classes. Take "
                "decide: probable."
            )

    def loss(self, logits: Tensor, target: Field) -> Tensor:
        """Cross-entropy, weighted by classes."""
        each = functional.cross_entropy(logits, target.values, reduction="none", label_smoothing=self.label_smoothing)
        share = torch.where(target.present, self.weights[target.values], 0)
        # 1e-12: a batch without any label divides 0 by it
        return (each * share).sum() / share.sum().clamp_min(1e-12)

    def counts(self, target: Field) -> Tensor:
        """The weights of those rows' classes."""
        return torch.where(target.present, self.weights[target.values], 0).sum()

    def predict(self, logits: Tensor) -> Table:
        """`label` [B], its `probability` [B], and `probabilities` [B,C] in the order of the classes."""
        probabilities = logits.softmax(1).cpu().numpy()
        best = self.decide(probabilities)
        chosen = np.take_along_axis(probabilities, best[:, None], 1)[:, 0]
        return {"label": self.names[best], "probability": chosen, "probabilities": probabilities}

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """[B,C] -> [B] the class that is said."""
        if self.threshold is None:
            return most_probable(probabilities)
        assert self.positive is not None, "F1 is of one class of two"
        return np.where(probabilities[:, self.positive] > float(self.threshold), self.positive, 1 - self.positive)

    def settle(self, predictions: Table, truth: Table) -> str | None:
        """The threshold of the positive class."""
        if self.threshold is None or self.positive is None:
            return None
        found = f1_threshold(predictions["probabilities"][:, self.positive], truth["class"] == self.positive)
        self.threshold.fill_(found)
        return f"{self.names[self.positive]} is said above a probability of {found:.3f}"

    def truth(self, values: np.ndarray) -> Table:
        """`label` [B] and `class` [B], its number."""
        return {"label": self.names[values], "class": values}

    def metrics(self) -> dict[str, Metric]:
        """Accuracy first: it is what people ask for."""
        found: dict[str, Metric] = {
            "accuracy": Accuracy(self.decide),
            "balanced_accuracy": BalancedAccuracy(self.decide),
            "macro_f1": MacroF1(self.decide),
            "cross_entropy": CrossEntropy(),
            "calibration_error": CalibrationError(),
        }
        if self.positive is not None:
            found["f1"] = PositiveF1(self.positive, self.decide)
            found["pr_auc"] = PositiveAreaUnderPrecisionRecall(self.positive)
        return found

    def floor(self, truth: Table, rows: int) -> Table:
        """The most frequent class, with the training split's shares as probabilities."""
        counts = np.bincount(truth["class"], minlength=len(self.names)).astype(np.float64)
        shares = counts / max(1.0, counts.sum())
        best = int(self.decide(shares[None])[0])
        label = np.full(rows, self.names[best], dtype=object)
        return {
            "label": label, "probability": np.full(rows, shares[best]), "probabilities": np.tile(shares, (rows, 1))
        }  # fmt: skip


class AnyOf(Choice):
    """Labels, each told for itself by a sigmoid."""

    def __init__(self, facts: Mapping[str, Any], *, weights: Weights, label_smoothing: float, decide: Decide) -> None:
        """facts: labels, counts, rows, separator."""
        super().__init__()
        self.names = np.array(facts["labels"], dtype=object)
        self.separator: str = facts["separator"]
        self.label_smoothing = label_smoothing
        self.weights: Tensor
        # As of classes: told by the data of today.
        self.register_buffer("weights", _label_weights(facts, weights), persistent=False)
        self.thresholds: Tensor | None
        self.register_buffer("thresholds", torch.full((len(self.names),), 0.5) if decide == "f1" else None)

    def loss(self, logits: Tensor, target: Field) -> Tensor:
        """Binary cross-entropy, the mean over labels, weighted where a label is there."""
        wanted = target.values.to(logits.dtype)
        smooth = wanted * (1 - self.label_smoothing) + self.label_smoothing / 2
        each = functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none", pos_weight=self.weights)
        return torch.where(target.present, each.mean(1), 0).sum() / target.present.sum().clamp_min(1)

    def predict(self, logits: Tensor) -> Table:
        """`labels` [B], those that are said with the separator between, and `probabilities` [B,C]."""
        probabilities = logits.sigmoid().cpu().numpy()
        return {"labels": self._written(self.decide(probabilities)), "probabilities": probabilities}

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """[B,C] -> [B,C] bool: the labels that are said."""
        if self.thresholds is None:
            return likely(probabilities)
        return np.asarray(probabilities > self.thresholds.cpu().numpy())

    def settle(self, predictions: Table, truth: Table) -> str | None:
        """The threshold of each label."""
        if self.thresholds is None:
            return None
        pairs = zip(predictions["probabilities"].T, truth["there"].T, strict=True)
        found = [f1_threshold(score, true) for score, true in pairs]
        self.thresholds.copy_(torch.tensor(found))
        return f"{len(found)} labels are said above probabilities of {min(found):.3f} to {max(found):.3f}"

    def truth(self, values: np.ndarray) -> Table:
        """`labels` [B] and `there` bool [B,C]."""
        return {"labels": self._written(values > 0), "there": values > 0}

    def metrics(self) -> dict[str, Metric]:
        """Micro-F1 first."""
        return {
            "micro_f1": MicroLabelF1(self.decide),
            "macro_f1": MacroLabelF1(self.decide),
            "pr_auc": MeanAveragePrecision(),
            "all_right": AllLabelsRight(self.decide),
            "cross_entropy": LabelCrossEntropy(),
        }

    def floor(self, truth: Table, rows: int) -> Table:
        """Every label with its share of the training split."""
        there = truth["there"]
        shares = there.mean(0) if len(there) else np.zeros(len(self.names))
        probabilities = np.tile(shares.astype(np.float64), (rows, 1))
        return {"labels": self._written(self.decide(probabilities)), "probabilities": probabilities}

    def _written(self, there: np.ndarray) -> np.ndarray:
        texts = [f"{self.separator} ".join(self.names[row]) for row in there]
        return np.array(texts, dtype=object)


def _class_weights(facts: Mapping[str, Any], kind: Weights, *, target: str) -> Tensor:
    """[C]: balanced weighs each class by rows / (classes * its rows), so that every class counts as much in the end."""
    if kind == "none":
        return torch.ones(len(facts["classes"]))
    if "counts" not in facts:
        raise BuildError(f"class_weights: balanced needs the counts of classes, but the field {target!r} has none.")
    counts = torch.tensor(facts["counts"], dtype=torch.float32)
    return counts.sum() / (len(counts) * counts)


def _label_weights(facts: Mapping[str, Any], kind: Weights) -> Tensor:
    """[C]: balanced makes the rows that have a label weigh as much as those that lack it."""
    if kind == "none":
        return torch.ones(len(facts["labels"]))
    counts = torch.tensor(facts["counts"], dtype=torch.float32)
    return (facts["rows"] - counts).clamp_min(1) / counts


def _positive(classes: tuple[str, ...], name: str | None) -> int | None:
    """The number of the class that binary metrics are about; of two the last where none is named: yes, true, 1."""
    if name is None:
        return 1 if len(classes) == 2 else None
    if len(classes) != 2 or name not in classes:
        raise ConfigError(
            f"positive: {name!r} must be one of two classes, but there are {len(classes)}: {listing(classes)}."
        )
    return classes.index(name)
