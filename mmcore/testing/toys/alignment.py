"""A toy task that ties samples together: the own pair against the batch's others."""

# B = samples of a batch, D = width

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.task import Outputs, Task


class ToyAlignment(Task):
    """InfoNCE from the first field to the second; a vector for each."""

    coupled = True

    def __init__(
        self,
        writes: Mapping[str, int],
        fields: Mapping[str, Modality],
        *,
        first: str = "sequence",
        second: str = "vector",
        width: int = 4,
    ) -> None:
        """first, second: streams, and the fields they come from."""
        super().__init__(writes, fields)
        self.reads = self.targets = (first, second)
        self.layers = nn.ModuleList(nn.Linear(writes.get(name, 1), width) for name in self.reads)

    def forward(self, streams: Streams) -> Outputs:
        """`first` and `second` [B,D]."""
        pairs = zip(("first", "second"), self.reads, self.layers, strict=True)
        return {key: functional.normalize(layer(streams[name].pool()), dim=1) for key, name, layer in pairs}

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """The mean over the rows that have both."""
        pair = torch.stack([batch.fields[name].present for name in self.targets]).all(0)
        near = 5 * outputs["first"] @ outputs["second"].T
        seen = near.masked_fill(~self.compared(pair, batch.group), -1e9)
        each = seen.logsumexp(1) - near.diagonal()
        return {"infonce": torch.where(pair, each, 0).sum() / pair.sum().clamp_min(1)}

    def compared(self, pair: Tensor, group: Tensor) -> Tensor:
        """[B,B] bool: the own pair, and whole ones of other groups."""
        return torch.eye(len(pair), dtype=torch.bool, device=pair.device) | (pair & (group != group.unsqueeze(1)))

    def predict(self, outputs: Outputs) -> Table:
        """A vector for each field."""
        return {name: outputs[key].numpy() for name, key in zip(self.reads, ("first", "second"), strict=True)}

    def truth(self, batch: Batch) -> Table:
        """Each row's number."""
        return {"row": batch.row.numpy()}

    def metrics(self) -> dict[str, Metric]:
        """`near`."""
        return {"near": ToyNear(self.targets)}


class ToyNear(Metric):
    """The mean product of the two vectors."""

    better: Literal["up", "down"] = "up"

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def __call__(self, predictions: Table, targets: Table) -> float:
        near = self.rows(predictions, targets)
        return float(near.mean()) if len(near) else float("nan")

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """Each row's product."""
        first, second = (predictions[name] for name in self.names)
        return np.asarray((first * second).sum(1), dtype=np.float64)
