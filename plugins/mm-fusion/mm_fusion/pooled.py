"""What fusions of pooled vectors have in common."""

# B = samples of a batch, M = fields, D = width

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mmcore.interfaces.fusion import LateFusion, Port, Streams
from mmcore.interfaces.tokens import Tokens

Pool = Literal["mean", "max", "both"]
"""How tokens become one vector: `both` puts the maximum beside the mean."""


def pooled(tokens: Tokens, pool: Pool) -> Tensor:
    """[B,pooled_width]; 0 where a sample is absent."""
    if pool == "both":
        return torch.cat([tokens.pool(), tokens.pool_max()], 1)
    return tokens.pool_max() if pool == "max" else tokens.pool()


def pooled_width(width: int, pool: Pool) -> int:
    """The width of what `pooled` gives."""
    return 2 * width if pool == "both" else width


def side_by_side(fields: Sequence[Tokens], vectors: Sequence[Tensor]) -> Tokens:
    """One token a sample: vectors [B,any width] beside each other, absent where every one of `fields` is."""
    known = any(tokens.dense for tokens in fields)
    present = None if known else torch.stack([tokens.present for tokens in fields]).any(0)
    return Tokens.single(torch.cat(list(vectors), 1), present)


class PooledFusion(LateFusion):
    """Pools each field's tokens and brings them to one width; a subclass writes `mix` alone."""

    def __init__(self, ports: Mapping[str, Port], *, width: int, pool: Pool) -> None:
        """width: of the vectors and of `joint`."""
        super().__init__(ports)
        self.pool = pool
        self.names = tuple(sorted(ports))
        # A list, since a ModuleDict refuses names that its own methods have, and a column may well be called `type`.
        self.project = nn.ModuleList(nn.Linear(pooled_width(ports[name].width, pool), width) for name in self.names)
        self.writes = {**self.writes, "joint": width}

    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        """`joint`: one token, absent where every field is."""
        fields = [streams[name] for name in self.names]
        pairs = zip(self.project, fields, strict=True)
        vectors = torch.stack([layer(pooled(tokens, self.pool)) for layer, tokens in pairs], 1)
        present = torch.stack([tokens.present for tokens in fields], 1)
        vectors = torch.where(present.unsqueeze(-1), vectors, 0)  # a projection of nothing is its bias, not nothing
        known = any(tokens.dense for tokens in fields)
        return {"joint": Tokens.single(self.mix(vectors, present), None if known else present.any(1))}

    @abstractmethod
    def mix(self, vectors: Tensor, present: Tensor) -> Tensor:
        """vectors [B,M,D], zero where absent, and present [B,M] -> [B,D]."""
