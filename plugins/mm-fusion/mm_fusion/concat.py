"""Pooled vectors side by side, with a bit for each that says whether it is there."""

# B = samples of a batch, M = fields, D = width

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from mm_fusion.pooled import Pool, PooledFusion
from mmcore.interfaces.fusion import Port
from mmcore.interfaces.settings import Range


class Concat(PooledFusion):
    """joint = relu(W [v_1, .., v_M, p_1, .., p_M] + b), with v_m = 0 and p_m = 0 where field m is absent."""

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        pool: Pool = "mean",
    ) -> None:
        """width: of each field's vector and of `joint`. pool: how a field's tokens become one vector."""
        super().__init__(ports, width=width, pool=pool)
        self.out = nn.Linear((width + 1) * len(ports), width)

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        """[B,M,D] -> [B,D]."""
        return torch.relu(self.out(self.beside(vectors, present)))

    def beside(self, vectors: Tensor, present: Tensor) -> Tensor:
        """[B,M,D], [B,M] -> [B,M*D+M]: the vectors, then the bits."""
        return torch.cat([vectors.flatten(1), present.to(vectors.dtype)], 1)
