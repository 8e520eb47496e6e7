"""Learned latents attend to the tokens of all fields, and think about what they found.

Jaegle et al., Perceiver: General Perception with Iterative Attention, 2021 (2103.03206), section 3.1.
"""

# B = samples of a batch, N = tokens of a sample, L = latents, D = width

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import nn

from mm_fusion.together import Together
from mmcore.interfaces.fusion import LateFusion, Port, Streams
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens, join
from mmcore.layers.block import Block
from mmcore.layers.cross import CrossBlock


class Perceiver(LateFusion):
    """Each layer: latents = self(cross(latents, [x_1, .., x_M])); joint = the latents after the last.

    cross and self are attention and a small network, each normalised before and added. The cost grows with L * N, not
    with N * N: for many tokens. Absent fields have no tokens to look at.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        width: Annotated[int, Range(1, soft_low=32, soft_high=1024, log=True)] = 128,
        latents: Annotated[int, Range(1, soft_high=128, log=True)] = 16,
        layers: Annotated[int, Range(1, soft_high=8)] = 2,
        heads: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 4,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
    ) -> None:
        """width: of latents and `joint`. latents: how many. layers: of cross-attention and self-attention each.

        Raises ConfigError where the width cannot be dealt to the heads.
        """
        super().__init__(ports)
        self.names = tuple(sorted(ports))
        self.together = Together([ports[name].width for name in self.names], width)
        self.latents = nn.Parameter(0.02 * torch.randn(latents, width))
        self.look = nn.ModuleList(CrossBlock(width, heads, dropout=dropout) for _ in range(layers))
        self.think = nn.ModuleList(
            Block(width, heads, dropout=dropout, last=number == layers - 1) for number in range(layers)
        )
        self.writes = {**self.writes, "joint": width}

    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        """`joint`: L tokens, absent where every field is."""
        found = join(self.together([streams[name] for name in self.names]))
        latents = Tokens.of(self.latents.expand(len(found.mask), -1, -1))
        for look, think in zip(self.look, self.think, strict=True):
            latents = think(look(latents, found))
        if any(streams[name].dense for name in self.names):
            return {"joint": latents}
        present = found.present.unsqueeze(1).expand(latents.mask.shape)
        return {"joint": Tokens.of(latents.values, present).zeroed()}
