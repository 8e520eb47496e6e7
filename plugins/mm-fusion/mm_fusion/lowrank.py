"""Low-rank multimodal fusion: the product of affine maps, summed over a rank.

Liu et al., Efficient Low-rank Multimodal Fusion with Modality-Specific Factors, 2018 (1806.00064), section 3.2. At full
rank it is tensor fusion (Zadeh et al., Tensor Fusion Network, 2017 (1707.07250), section 4.2).
"""

# B = samples of a batch, M = fields, R = rank, D = width

from collections.abc import Mapping
from functools import reduce
from operator import mul
from typing import Annotated

import torch
from torch import Tensor, nn

from mm_fusion.pooled import Pool, PooledFusion
from mmcore.interfaces.fusion import Port
from mmcore.interfaces.settings import Range


class LowRank(PooledFusion):
    """joint = b + sum over r of a_r prod over m of W_m^r [v_m, 1]; the factor of an absent field is 1, the neutral one.

    So every product of numbers of different fields counts, and, by the 1 that is appended to each vector, of any fewer.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        rank: Annotated[int, Range(1, soft_high=32, log=True)] = 4,
        pool: Pool = "mean",
    ) -> None:
        """width: of `joint`. rank: of the tensor that the maps stand for. pool: how tokens become one vector."""
        super().__init__(ports, width=rank * width, pool=pool)
        self.writes = {**self.writes, "joint": width}
        self.share = nn.Parameter(torch.randn(rank) / rank**0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        for layer in self.project:
            nn.init.ones_(layer.bias)  # a product of factors near 1 keeps its size, and what each field says alone

    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        """[B,M,R*D] -> [B,D]."""
        factors = torch.where(present.unsqueeze(-1), vectors, 1).unflatten(-1, (len(self.share), -1))
        product = reduce(mul, factors.unbind(1))  # torch.prod would ask the device whether a factor is 0
        return torch.einsum("r,brd->bd", self.share.to(product.dtype), product) + self.bias
