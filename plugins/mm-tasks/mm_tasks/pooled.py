"""One vector of a stream, and what tells something from it."""

# B = samples of a batch, D = width

from typing import Literal

import torch
from torch import Tensor, nn

from mmcore.interfaces.tokens import Tokens

Pool = Literal["mean", "max", "both", "last"]
"""How several tokens become one vector; both: the mean beside the maximum."""


def pooled(tokens: Tokens, pool: Pool) -> Tensor:
    """[B,pooled_width]; 0 where a sample is absent."""
    if pool == "both":
        return torch.cat([tokens.pool(), tokens.pool_max()], 1)
    if pool == "last":
        return tokens.last()
    return tokens.pool_max() if pool == "max" else tokens.pool()


def pooled_width(width: int, pool: Pool) -> int:
    """The width of what `pooled` gives."""
    return 2 * width if pool == "both" else width


def head(width: int, out: int, *, hidden: int, dropout: float) -> nn.Module:
    """[B,width] -> [B,out]; hidden: width of a layer between, 0: none."""
    if not hidden:
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(width, out))
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out))
