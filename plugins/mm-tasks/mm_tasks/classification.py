"""One of several classes, or any number of labels."""

# B = samples of a batch, C = classes, D = width

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from torch import Tensor

from mm_tasks.choice import AnyOf, Choice, OneOf, Weights
from mm_tasks.deciding import Decide
from mm_tasks.pooled import Pool, head, pooled, pooled_width
from mmcore.errors import BuildError, ConfigError, listing
from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.settings import FieldName, Range
from mmcore.interfaces.task import Outputs, Task


class Classification(Task):
    """From one stream, by cross-entropy: a class where the target is one, labels where it is a set; `logits` [B,C]."""

    def __init__(
        self,
        writes: Mapping[str, int],
        fields: Mapping[str, Modality],
        *,
        target: Annotated[str, FieldName(encoded=False)],
        stream: str = "joint",
        pool: Pool = "mean",
        hidden: Annotated[int, Range(0, soft_high=1024)] = 0,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
        label_smoothing: Annotated[float, Range(0, 0.9)] = 0.0,
        class_weights: Weights = "none",
        positive: str | None = None,
        decide: Decide = "probable",
    ) -> None:
        """target: a field of classes or of sets of labels. pool: how several tokens become one vector.

        hidden: width of a layer before the last; 0: none. class_weights: balanced weighs the loss of each class by how
        rare it is in the training split. positive: of two classes the one that f1 and pr_auc are about; null: the last
        in order. decide: say the most probable, or what F1 is best by, given the validation rows.
        Raises BuildError where the target is no such field, ConfigError where `positive` is no class of two,
        or where settings contradict each other.
        """
        super().__init__(writes, fields)
        facts = fields[target].facts() if target in fields else {}
        if not {"classes", "labels"} & set(facts):
            able = [name for name, modality in fields.items() if {"classes", "labels"} & set(modality.facts())]
            raise BuildError(f"the target {target!r} is no field of classes. Fields of classes: {listing(able)}.")
        self.reads, self.targets, self.pool = (stream,), (target,), pool
        if fault := self.settings_fault({"decide": decide, "class_weights": class_weights}):
            raise ConfigError(fault)
        self.choice: Choice
        if "classes" in facts:
            self.choice = OneOf(
                facts, weights=class_weights, label_smoothing=label_smoothing, positive=positive, decide=decide,
                target=target,
            )  # fmt: skip
        elif positive is not None:
            raise ConfigError(f"positive: {positive!r} is for two classes, but {target!r} holds sets of labels.")
        else:
            self.choice = AnyOf(facts, weights=class_weights, label_smoothing=label_smoothing, decide=decide)
        self.settles = decide == "f1"
        width = pooled_width(writes.get(stream, 1), pool)
        self.head = head(width, len(self.choice.names), hidden=hidden, dropout=dropout)

    @classmethod
    def settings_fault(cls, settings: Mapping[str, Any]) -> str | None:
        """Weights bend the probabilities that a threshold counts on."""
        if settings["decide"] == "f1" and settings["class_weights"] != "none":
            return (
                "decide: f1 needs probabilities that are right, and class_weights: balanced makes rare classes more "
                "probable than they are. Take one of the two."
            )
        return None

    def forward(self, streams: Streams) -> Outputs:
        """`logits` [B,C]."""
        return {"logits": self.head(pooled(streams[self.reads[0]], self.pool))}

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """`cross_entropy`: the mean over the rows that have a target."""
        return {"cross_entropy": self.choice.loss(outputs["logits"].float(), batch.fields[self.targets[0]])}

    def counts(self, batch: Batch) -> Tensor:
        """The rows that have a target, each with its class's weight."""
        return self.choice.counts(batch.fields[self.targets[0]])

    def settle(self, predictions: Table, truth: Table) -> str | None:
        """Thresholds for the best F1, where `decide` asks for them."""
        return self.choice.settle(predictions, truth)

    def predict(self, outputs: Outputs) -> Table:
        """A `label` with its `probability`, or `labels`; and `probabilities` [B,C] in the order of the classes."""
        return self.choice.predict(outputs["logits"].detach().float())

    def truth(self, batch: Batch) -> Table:
        """`label` and `class`, its number; or `labels` and `there` [B,C]."""
        values: np.ndarray = batch.fields[self.targets[0]].values.cpu().numpy()
        return self.choice.truth(values)

    def metrics(self) -> dict[str, Metric]:
        """Of classes: accuracy first. Of labels: micro-F1 first."""
        return self.choice.metrics()

    def floor(self, truth: Table, rows: int) -> Table:
        """The most frequent class; the training split's shares as probabilities."""
        return self.choice.floor(truth, rows)
