"""What fusions of pooled vectors have in common."""

# B = samples of a batch, M = fields, D = width

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcore.interfaces.fusion import LateFusion, Port, Streams
from mmcore.interfaces.tokens import Tokens


class PooledFusion(LateFusion):
    """Brings the mean of each field's tokens to one width; a subclass writes `mix` alone."""

    def __init__(self, ports: Mapping[str, Port], *, width: int) -> None:
        """width: of the vectors and of `joint`."""
        super().__init__(ports)
        self.width = width
        self.project = nn.ModuleDict({name: nn.Linear(ports[name].width, width) for name in sorted(ports)})
        self.writes = {**self.writes, "joint": width}

    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        """`joint`: one token, absent where every field is."""
        vectors = torch.stack([layer(streams[name].pool()) for name, layer in self.project.items()], 1)
        present = torch.stack([streams[name].present for name in self.project], 1)
        vectors = torch.where(present.unsqueeze(-1), vectors, 0)
        return {"joint": Tokens.single(self.mix(vectors, present), present.any(1))}

    @abstractmethod
    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        """vectors [B,M,D], zero where absent, and present [B,M] -> [B,D]."""
