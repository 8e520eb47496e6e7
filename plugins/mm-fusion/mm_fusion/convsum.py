"""Convolved sequences brought to one length and added: the article's second fusion.

Each field's tokens go through a convolution along their row, so that tokens of different fields that stand at the same
share of their rows can be added, whatever the lengths.
"""

# B = samples of a batch, M = fields, N = tokens of a sample, L = common length, D = width

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor, nn

from mmcore.errors import ConfigError
from mmcore.interfaces.fusion import LateFusion, Port, Streams
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.positions import positions


class ConvSum(LateFusion):
    """joint_l = sum over m of the mean of conv_m(x_m) over the tokens that stand between l/L and (l+1)/L of n_m.

    n_m is how many real tokens the sample has, not how far the batch is padded: a token touches a span where it reaches
    into it, so none is empty (adaptive pooling). An absent field adds nothing. A grid is read row by row.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        length: Annotated[int, Range(1, soft_high=64, log=True)] = 16,
        kernel: Annotated[int, Range(1, soft_high=9, step=2)] = 3,
    ) -> None:
        """width: of `joint`. length: tokens of `joint`. kernel: tokens that a convolution looks at, an odd number.

        Raises ConfigError where `kernel` is even.
        """
        super().__init__(ports)
        if kernel % 2 == 0:
            raise ConfigError(f"fusion.kernel must be odd, so that it has a middle, but got {kernel}.")
        self.names, self.length = tuple(sorted(ports)), length
        self.convolve = nn.ModuleList(
            nn.Conv1d(ports[name].width, width, kernel, padding=kernel // 2) for name in self.names
        )
        self.writes = {**self.writes, "joint": width}

    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        """`joint`: L tokens, absent where every field is."""
        fields = [streams[name] for name in self.names]
        pairs = zip(self.convolve, fields, strict=True)
        parts = [shares(tokens, self.length) @ _convolved(tokens, layer) for layer, tokens in pairs]
        values = torch.stack(parts).sum(0)
        if any(tokens.dense for tokens in fields):
            return {"joint": Tokens.of(values)}
        present = torch.stack([tokens.present for tokens in fields]).any(0)
        return {"joint": Tokens.of(values, present.unsqueeze(1).expand(-1, self.length)).zeroed()}


def shares(tokens: Tokens, length: int) -> Tensor:
    """[B,L,N], or [1,L,N] where all rows are full: how much of each token each span takes; 0 where masked.

    A span takes the tokens that reach into it, in equal parts.
    """
    mask = tokens.mask[:1] if tokens.dense else tokens.mask
    count, steps = mask.sum(1, keepdim=True), torch.arange(length, device=mask.device)
    first, last = steps * count // length, ((steps + 1) * count + length - 1) // length  # [B,L], last is not in it
    place = positions(mask).unsqueeze(1)
    within = (place >= first.unsqueeze(-1)) & (place < last.unsqueeze(-1)) & mask.unsqueeze(1)
    return within.to(tokens.values.dtype) / within.sum(-1, keepdim=True).clamp_min(1)


def _convolved(tokens: Tokens, layer: nn.Module) -> Tensor:
    """[B,N,width of the field] -> [B,N,D]; masked tokens count as zero, as what lies beyond the ends does."""
    values: Tensor = layer(tokens.zeroed().values.transpose(1, 2))
    return values.transpose(1, 2)
