"""A toy fusion: concatenation."""

# B = samples of a batch

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import nn

from mmcore.interfaces.fusion import LateFusion, Port, Streams
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens


class ToyConcat(LateFusion):
    """Pooled streams side by side through one dense layer: `joint`."""

    def __init__(self, ports: Mapping[str, Port], *, width: Annotated[int, Range(1, 64)] = 8) -> None:
        """width: of `joint`."""
        super().__init__(ports)
        self.names = tuple(sorted(ports))
        self.mix = nn.Linear(sum(ports[name].width for name in self.names), width)
        self.writes = {**self.writes, "joint": width}

    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        """`joint` [B,1,width], absent where every stream is."""
        pooled = torch.cat([streams[name].pool() for name in self.names], 1)
        present = torch.stack([streams[name].present for name in self.names], 1).any(1)
        return {"joint": Tokens.single(torch.tanh(self.mix(pooled)), present)}
