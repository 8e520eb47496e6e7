"""One of several classes."""

# B = samples of a batch, C = classes, D = width

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_tasks.metrics import Accuracy, BalancedAccuracy, CrossEntropy, MacroF1
from mmcore.errors import BuildError, listing
from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.settings import FieldName, Range
from mmcore.interfaces.task import Outputs, Task
from mmcore.interfaces.tokens import Tokens


class Classification(Task):
    """A class from one stream, by cross-entropy; outputs `logits` [B,C]."""

    def __init__(
        self,
        writes: Mapping[str, int],
        fields: Mapping[str, Modality],
        *,
        target: Annotated[str, FieldName(encoded=False)],
        stream: str = "joint",
        pool: Literal["mean", "max", "both", "last"] = "mean",
        hidden: Annotated[int, Range(0, soft_high=1024)] = 0,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
        label_smoothing: Annotated[float, Range(0, 0.9)] = 0.0,
        class_weights: Literal["none", "balanced"] = "none",
    ) -> None:
        """target: a field of classes. pool: how several tokens become one vector; both: the mean beside the maximum.

        hidden: width of a layer before the last; 0: none. class_weights: balanced weighs the loss of each class by how
        rare it is in the training split. Raises BuildError where the target is no field of classes.
        """
        super().__init__(writes, fields)
        facts = fields[target].facts() if target in fields else {}
        if "classes" not in facts:
            able = [name for name, modality in fields.items() if "classes" in modality.facts()]
            raise BuildError(f"the target {target!r} is no field of classes. Fields of classes: {listing(able)}.")
        self.reads, self.targets = (stream,), (target,)
        self.pool, self.label_smoothing = pool, label_smoothing
        self.classes = np.array(facts["classes"], dtype=object)
        self.register_buffer("class_weights", _weights(facts, class_weights, target=target))
        width = writes.get(stream, 1) * (2 if pool == "both" else 1)
        self.head = _head(width, len(self.classes), hidden=hidden, dropout=dropout)

    def forward(self, streams: Streams) -> Outputs:
        """`logits` [B,C]."""
        return {"logits": self.head(self._pooled(streams[self.reads[0]]))}

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """`cross_entropy`: the mean over the rows that have a label, weighted by their classes."""
        target = batch.fields[self.targets[0]]
        weights = self.class_weights
        assert isinstance(weights, Tensor)
        each = functional.cross_entropy(
            outputs["logits"].float(), target.values, reduction="none", label_smoothing=self.label_smoothing
        )
        share = torch.where(target.present, weights[target.values], 0)
        # 1e-12: a batch without any label divides 0 by it
        return {"cross_entropy": (each * share).sum() / share.sum().clamp_min(1e-12)}

    def predict(self, outputs: Outputs) -> Table:
        """`label` [B], its `probability` [B], and `probabilities` [B,C] in the order of the classes."""
        probabilities = outputs["logits"].detach().float().softmax(1).cpu().numpy()
        best = probabilities.argmax(1)
        chosen = np.take_along_axis(probabilities, best[:, None], 1)[:, 0]
        return {"label": self.classes[best], "probability": chosen, "probabilities": probabilities}

    def truth(self, batch: Batch) -> Table:
        """`label` [B] and `class` [B], its number."""
        number = batch.fields[self.targets[0]].values.cpu().numpy()
        return {"label": self.classes[number], "class": number}

    def metrics(self) -> dict[str, Metric]:
        """Accuracy first: it is what people ask for."""
        return {
            "accuracy": Accuracy(),
            "balanced_accuracy": BalancedAccuracy(),
            "macro_f1": MacroF1(),
            "cross_entropy": CrossEntropy(),
        }

    def floor(self, truth: Table, rows: int) -> Table:
        """The most frequent class, with the training split's shares as probabilities."""
        counts = np.bincount(truth["class"], minlength=len(self.classes)).astype(np.float64)
        shares = counts / max(1.0, counts.sum())
        best = int(shares.argmax())
        return {
            "label": np.full(rows, self.classes[best], dtype=object),
            "probability": np.full(rows, shares[best]),
            "probabilities": np.tile(shares, (rows, 1)),
        }

    def _pooled(self, tokens: Tokens) -> Tensor:
        if self.pool == "both":
            return torch.cat([tokens.pool(), tokens.pool_max()], 1)
        if self.pool == "last":
            return tokens.last()
        return tokens.pool_max() if self.pool == "max" else tokens.pool()


def _weights(facts: Mapping[str, Any], kind: str, *, target: str) -> Tensor:
    """[C]: balanced weighs each class by rows / (classes * its rows), so that every class counts as much in the end."""
    if kind == "none":
        return torch.ones(len(facts["classes"]))
    if "counts" not in facts:
        raise BuildError(f"class_weights: balanced needs the counts of classes, but the field {target!r} has none.")
    counts = torch.tensor(facts["counts"], dtype=torch.float32)
    return counts.sum() / (len(counts) * counts)


def _head(width: int, classes: int, *, hidden: int, dropout: float) -> nn.Module:
    """[B,width] -> [B,classes]."""
    if not hidden:
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(width, classes))
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes))
