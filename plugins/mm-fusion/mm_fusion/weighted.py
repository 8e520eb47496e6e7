"""A sum of pooled vectors with learned weights, shared out among the fields that are there."""

# B = samples of a batch, M = fields, D = width

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from mm_fusion.pooled import Pool, PooledFusion
from mmcore.interfaces.fusion import Port
from mmcore.interfaces.settings import Range


class WeightedSum(PooledFusion):
    """joint = sum over present fields of softmax(w)_m v_m; the softmax runs over the present ones alone."""

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        pool: Pool = "mean",
    ) -> None:
        """width: of each field's vector and of `joint`. pool: how a field's tokens become one vector."""
        super().__init__(ports, width=width, pool=pool)
        self.weight = nn.Parameter(torch.zeros(len(ports)))

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        """[B,M,D] -> [B,D]."""
        lowest = torch.finfo(self.weight.dtype).min  # not -inf: a softmax over nothing would be NaN
        share = torch.where(present, self.weight, lowest).softmax(1)
        return (share.unsqueeze(-1) * vectors).sum(1)
