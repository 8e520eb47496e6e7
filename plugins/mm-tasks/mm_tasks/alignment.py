"""Two fields in one space, where what belongs together lies near."""

# B = samples of a batch, D = width

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_tasks.metrics import MedianRank, Recall
from mm_tasks.pooled import Pool, head, pooled, pooled_width
from mmcore.errors import BuildError, listing
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.settings import FieldName, Range
from mmcore.interfaces.task import Outputs, Task

FIRSTS = (1, 5, 10)
"""k of the recalls."""
HIGHEST = 100.0
"""Of the scale, as in CLIP: beyond it training becomes unstable."""


class Alignment(Task):
    """Vectors of length 1 for two fields, each sample's own pair nearer than the batch's other pairs.

    infonce: -log softmax(s x_i·y_j)_i over the batch, in both directions (CLIP, Radford et al., 2103.00020, 2.3).
    siglip: -log sigmoid(±(s x_i·y_j + b)) for each pair by itself (Zhai et al., 2303.15343, section 3.2).
    The scale s is learned, and the bias b. Samples of one group are no negatives of each other.
    """

    coupled = True

    def __init__(
        self,
        writes: Mapping[str, int],
        fields: Mapping[str, Modality],
        *,
        first: Annotated[str, FieldName()] = "image",
        second: Annotated[str, FieldName()] = "text",
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        pool: Pool = "mean",
        hidden: Annotated[int, Range(0, soft_high=2048)] = 0,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
        error: Literal["infonce", "siglip"] = "infonce",
        temperature: Annotated[float, Range(0.005, 1.0, log=True)] = 0.07,
    ) -> None:
        """first, second: fields, whose streams of the same names are read. width: D of the common space.

        temperature: 1 / s at the start; see HIGHEST. Raises BuildError where a field is none or
        both are one.
        """
        super().__init__(writes, fields)
        for name in (first, second):
            if name not in fields:
                raise BuildError(f"alignment needs two fields, but there is no {name!r}. Fields: {listing(fields)}.")
        if first == second:
            raise BuildError(f"first and second both name {first!r}: alignment needs two fields.")
        self.reads = self.targets = (first, second)
        self.pool, self.error = pool, error
        self.to_space = nn.ModuleList(
            head(pooled_width(writes.get(name, 1), pool), width, hidden=hidden, dropout=dropout) for name in self.reads
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))
        # -10: nearly all pairs are no pairs, and at the start each should be thought to be none (SigLIP, section 3.2).
        self.bias = nn.Parameter(torch.tensor(-10.0)) if error == "siglip" else None

    def forward(self, streams: Streams) -> Outputs:
        """`first`, `second` [B,D] of length 1, 0 where the stream is absent; `scale` [B] and, for siglip, `bias` [B].

        Scale and bias come as outputs, a copy for each row, so that the loss is a function of outputs and batch alone.
        """
        found: Outputs = {}
        for key, name, layer in zip(("first", "second"), self.reads, self.to_space, strict=True):
            vector = functional.normalize(layer(pooled(streams[name], self.pool)).float(), dim=1)
            found[key] = torch.where(streams[name].present.unsqueeze(1), vector, 0)
        rows = len(found["first"])
        beyond = (self.log_scale - math.log(HIGHEST)).clamp_min(0).detach()  # detached, so that it can come back
        found["scale"] = (self.log_scale - beyond).exp().expand(rows)
        if self.bias is not None:
            found["bias"] = self.bias.expand(rows)
        return found

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """The mean over the rows that have both fields."""
        pair = torch.stack([batch.fields[name].present for name in self.targets]).all(0)
        count = pair.sum().clamp_min(1)
        scale = outputs["scale"].where(pair, 0).sum() / count
        near = scale * outputs["first"].float() @ outputs["second"].float().T  # [B,B]
        own = torch.eye(len(pair), dtype=torch.bool, device=pair.device)
        other = pair & pair.unsqueeze(1) & (batch.group != batch.group.unsqueeze(1))
        if self.error == "siglip":
            bias = outputs["bias"].where(pair, 0).sum() / count
            told = functional.logsigmoid(torch.where(own, near + bias, -near - bias))
            return {"siglip": -told.where((own & pair) | other, 0).sum() / count}
        seen = near.masked_fill(~(own | other), torch.finfo(near.dtype).min)
        each = (seen.logsumexp(0) + seen.logsumexp(1)) / 2 - near.diagonal()
        return {"infonce": each.where(pair, 0).sum() / count}

    def predict(self, outputs: Outputs) -> Table:
        """A vector [B,D] for each field, by its name; of a blank where the row lacks it and the model learned one."""
        pairs = zip(self.reads, ("first", "second"), strict=True)
        return {name: outputs[key].detach().float().cpu().numpy() for name, key in pairs}

    def truth(self, batch: Batch) -> Table:
        """A number [B] for each field, by its name: equal where the content is."""
        return {name: _content(batch.fields[name]) for name in self.targets}

    def metrics(self) -> dict[str, Metric]:
        """Recall among the first 1, 5 and 10 and the median rank, in both directions."""
        found = dict[str, Metric]()
        for query, thing in (self.reads[::-1], self.reads):
            for first in FIRSTS:
                found[f"{query}_to_{thing}_r{first}"] = Recall(query, thing, first=first)
        for query, thing in (self.reads[::-1], self.reads):
            found[f"{query}_to_{thing}_median_rank"] = MedianRank(query, thing)
        return found

    def floor(self, truth: Table, rows: int) -> Table:
        """Chance: all vectors are one, and equally near things come in random order."""
        return {name: np.ones((rows, 1), dtype=np.float32) for name in self.targets}


def _content(field: Field) -> np.ndarray:
    """int64 [B]: a hash of each row's real values, so that a picture with five captions is known to be one picture."""
    values = field.values.detach().cpu().contiguous().numpy()
    mask = None if field.mask is None else field.mask.cpu().numpy()
    rows = (row if mask is None else row[mask[number]] for number, row in enumerate(values))
    digests = [hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(digests), dtype=np.int64)
