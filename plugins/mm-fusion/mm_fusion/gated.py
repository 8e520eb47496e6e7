"""A gate for each dimension of each field: the gated multimodal unit.

Arevalo et al., Gated Multimodal Units for Information Fusion, 2017 (1702.01992), section 3.1.
"""

# B = samples of a batch, M = fields, D = width

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from mm_fusion.pooled import Pool, PooledFusion
from mmcore.interfaces.fusion import Port
from mmcore.interfaces.settings import Range


class Gated(PooledFusion):
    """joint = sum over m of z_m * tanh(h_m), z = sigmoid(U [h_1, .., h_M] + c), h_m = W_m v_m + b_m, 0 where absent."""

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        pool: Pool = "mean",
    ) -> None:
        """width: of each field's vector and of `joint`. pool: how a field's tokens become one vector."""
        super().__init__(ports, width=width, pool=pool)
        self.gate = nn.Linear(len(ports) * width, len(ports) * width)

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        """[B,M,D] -> [B,D]."""
        gates = torch.sigmoid(self.gate(vectors.flatten(1))).view_as(vectors)
        return (gates * torch.tanh(vectors)).sum(1)
