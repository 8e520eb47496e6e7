"""A toy task: classification, with its one metric."""

# B = samples of a batch, C = classes

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmcore.errors import BuildError, listing
from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.task import Outputs, Task


class ToyClassification(Task):
    """A class from the stream `joint`; outputs `logits` [B,C], predictions `label` and `probabilities`."""

    def __init__(
        self, writes: Mapping[str, int], fields: Mapping[str, Modality], *, target: str, stream: str = "joint"
    ) -> None:
        """target: a field whose facts have classes."""
        super().__init__(writes, fields)
        if target not in fields or "classes" not in fields[target].facts():
            raise BuildError(f"the target {target!r} is no field with classes. Fields: {listing(fields)}.")
        self.target, self.reads, self.targets = target, (stream,), (target,)
        self.classes = np.array(fields[target].facts()["classes"], dtype=object)
        self.head = nn.Linear(writes.get(stream, 1), len(self.classes))

    def forward(self, streams: Streams) -> Outputs:
        """`logits` [B,C]."""
        return {"logits": self.head(streams[self.reads[0]].pool())}

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy over the rows that have a label."""
        target = batch.fields[self.target]
        each = functional.cross_entropy(outputs["logits"], target.values, reduction="none")
        return {"cross_entropy": torch.where(target.present, each, 0).sum() / target.present.sum().clamp_min(1)}

    def predict(self, outputs: Outputs) -> Table:
        """`label` [B], `probabilities` [B,C]."""
        probabilities = outputs["logits"].float().softmax(1).numpy()
        return {"label": self.classes[probabilities.argmax(1)], "probabilities": probabilities}

    def truth(self, batch: Batch) -> Table:
        """`label` [B]."""
        return {"label": self.classes[batch.fields[self.target].values.numpy()]}

    def metrics(self) -> dict[str, Metric]:
        """`accuracy`."""
        return {"accuracy": ToyAccuracy()}

    def floor(self, truth: Table, rows: int) -> Table:
        """Always the most frequent label."""
        counts = np.array([(truth["label"] == label).sum() for label in self.classes])
        share = np.tile(counts / max(1, counts.sum()), (rows, 1))
        return {"label": self.classes[share.argmax(1)], "probabilities": share}


class ToyAccuracy(Metric):
    """The share of labels that are right."""

    better: Literal["up", "down"] = "up"
    share = True

    def __call__(self, predictions: Table, targets: Table) -> float:
        right = self.rows(predictions, targets)
        return float(right.mean()) if len(right) else float("nan")

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """1 where right, else 0."""
        return np.asarray(predictions["label"] == targets["label"], dtype=np.float64)
