"""A number."""

# B = samples of a batch

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from torch import Tensor
from torch.nn import functional

from mm_tasks.metrics import MeanAbsoluteError, RootMeanSquaredError, RSquared
from mm_tasks.pooled import Pool, head, pooled, pooled_width
from mmcore.errors import BuildError, listing
from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.settings import FieldName, Range
from mmcore.interfaces.task import Outputs, Task


class Regression(Task):
    """A number from one stream, learned in deviations from the training mean; outputs `standard` [B]."""

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
        error: Literal["mse", "mae", "huber"] = "mse",
        delta: Annotated[float, Range(1e-6)] = 1.0,
    ) -> None:
        """target: a field of numbers. pool: how several tokens become one vector. hidden: as for classification.

        error: what is made small; huber: squares up to `delta` deviations, beyond them absolute values.
        Raises BuildError where the target is no field of numbers.
        """
        super().__init__(writes, fields)
        facts = fields[target].facts() if target in fields else {}
        if not {"mean", "std"} <= set(facts):
            able = [name for name, modality in fields.items() if {"mean", "std"} <= set(modality.facts())]
            raise BuildError(f"the target {target!r} is no field of numbers. Fields of numbers: {listing(able)}.")
        self.reads, self.targets = (stream,), (target,)
        self.pool, self.error, self.delta = pool, error, delta
        self.mean, self.std = float(facts["mean"]), float(facts["std"])
        self.head = head(pooled_width(writes.get(stream, 1), pool), 1, hidden=hidden, dropout=dropout)

    def forward(self, streams: Streams) -> Outputs:
        """`standard` [B]: (number - mean) / std."""
        return {"standard": self.head(pooled(streams[self.reads[0]], self.pool)).squeeze(1)}

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """The mean error over the rows that have a number, under the name of the error."""
        target = batch.fields[self.targets[0]]
        said, true = outputs["standard"].float(), target.values.where(target.present, 0)
        if self.error == "huber":
            each = functional.huber_loss(said, true, reduction="none", delta=self.delta)
        else:
            each = (said - true).abs() if self.error == "mae" else (said - true).square()
        return {self.error: each.where(target.present, 0).sum() / target.present.sum().clamp_min(1)}

    def predict(self, outputs: Outputs) -> Table:
        """`value` [B], in the target's own units."""
        return {"value": self._value(outputs["standard"])}

    def truth(self, batch: Batch) -> Table:
        """`value` [B]."""
        return {"value": self._value(batch.fields[self.targets[0]].values)}

    def metrics(self) -> dict[str, Metric]:
        """The mean absolute error first: it can be read in the target's own units."""
        return {"mae": MeanAbsoluteError(), "rmse": RootMeanSquaredError(), "r2": RSquared()}

    def floor(self, truth: Table, rows: int) -> Table:
        """The training mean."""
        return {"value": np.full(rows, truth["value"].mean() if len(truth["value"]) else self.mean)}

    def _value(self, standard: Tensor) -> np.ndarray:
        value: np.ndarray = standard.detach().double().cpu().numpy() * self.std + self.mean
        return value
