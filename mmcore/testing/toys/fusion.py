"""Toy fusions: concatenation, and one that leads a text."""

# B = samples of a batch

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import nn

from mmcore.interfaces.fusion import Fusion, LateFusion, Port, Streams, need_port
from mmcore.interfaces.run import Run
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


class ToyPrefix(Fusion):
    """Every other field, pooled, stands as a token before those of `into`: what a text is written from."""

    def __init__(self, ports: Mapping[str, Port], *, into: str = "sequence", streaming: bool = True) -> None:
        """into: the field that is written. streaming: false: the same, but the whole text is walked for each token."""
        super().__init__(ports)
        self.into, self.streaming, width = into, streaming, need_port(ports, into, "into").widths[0]
        self.others = tuple(name for name in sorted(ports) if name != into)
        self.connect = nn.ModuleList(nn.Linear(ports[name].width, width) for name in self.others)
        self.taps = {**self.taps, into: "between"}
        self.writes = {name: ports[name].width for name in sorted(ports)}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """The finished runs by name."""
        for name, layer in zip(self.others, self.connect, strict=True):
            tokens = runs[name].finish()
            runs[self.into].prepend(Tokens.single(layer(tokens.pool()), tokens.present))
        return {name: runs[name].finish() for name in sorted(runs)}
