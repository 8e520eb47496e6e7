"""The encoder `audio-transformer`: convolutions over time, then blocks of attention with rotary positions."""

# B = samples of a batch, F = frames, M = mel bands, N = tokens of a sample, D = width

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_audio.masked import check_kernel, frames_of
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.block import Block
from mmcore.layers.grid import same_padding


class AudioTransformer(Encoder):
    """Tokens are steps of time ("Robust Speech Recognition via Large-Scale Weak Supervision", 2212.04356, section 2.2).

    Each layer is a stage; rotary positions instead of the paper's sines, so that any length will do.
    """

    consumes = "audio"
    elastic = True

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        width: Annotated[int, Range(2, soft_low=32, soft_high=1024, log=True)] = 96,
        heads: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 4,
        layers: Annotated[int, Range(1, soft_high=12)] = 3,
        time_strides: Annotated[tuple[int, ...], Range(1, 16, soft_high=4)] = (1, 2),
        kernel: Annotated[int, Range(1, 31, soft_high=7, step=2)] = 3,
        mlp_ratio: Annotated[float, Range(0.1, 16, soft_low=1, soft_high=8)] = 4.0,
        dropout: Annotated[float, Range(0, 0.9)] = 0.1,
    ) -> None:
        """facts: mels. Raises ConfigError where the width cannot be dealt to the heads, or the kernel is even."""
        super().__init__(facts)
        check_kernel("audio-transformer", kernel)
        self.time_strides = time_strides
        sizes = pairwise([facts["mels"], *[width] * len(time_strides)])
        self.stem = nn.ModuleList(
            nn.Conv1d(width_in, width_out, kernel, stride, same_padding(kernel, stride))
            for (width_in, width_out), stride in zip(sizes, time_strides, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.widths = (width if time_strides else facts["mels"],) + (width,) * layers
        self.stages = nn.ModuleList(
            Block(width, heads, ratio=mlp_ratio, dropout=dropout, rotary=True, last=number == layers - 1)
            for number in range(layers)
        )

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Spectrograms [B,F,M] -> one token for each step of the stem, [B,N,D]."""
        values, mask = frames_of(field, multiple=math.prod(self.time_strides))
        for convolution, stride in zip(self.stem, self.time_strides, strict=True):
            mask = mask[:, ::stride]
            found = functional.gelu(convolution(values.mT).mT)
            values = torch.where(mask.unsqueeze(-1), found, 0)
        return Tokens.of(self.dropout(values), mask)
