"""Convolutions as stages: tokens on a grid become a picture and tokens again, mostly without a copy."""

# B = samples of a batch, N = tokens of a sample, D = width

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.tokens import Tokens


class GridStage(Stage):
    """Any network from [B,D,height,width] to [B,D',height',width'], or with another number of axes, as a stage.

    It must treat each sample by itself, and not enlarge the grid.
    """

    def __init__(self, body: nn.Module) -> None:
        """body: the network."""
        super().__init__()
        self.body = body

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """Tokens with a grid -> tokens with the grid that is left; masked ones are zero before it and after."""
        return from_picture(self.body(to_picture(tokens)), tokens)


def to_picture(tokens: Tokens) -> Tensor:
    """[B,N,D] with a grid -> [B,D,*grid], zero where masked.

    For two axes the result is a view whose memory format is channels_last: convolutions take it as it is.
    """
    assert tokens.grid is not None, "a convolution needs tokens on a grid"
    return tokens.zeroed().values.reshape(-1, *tokens.grid, tokens.width).movedim(-1, 1)


def from_picture(picture: Tensor, before: Tokens) -> Tokens:
    """[B,D',*grid'] -> tokens, zero where masked; `before` says which were real before the network.

    A new cell is real where the cell at its upper left corner was. So a full row stays full, an absent row absent, a
    row with nothing but a blank token in front keeps just that, and a row padded on the right and below keeps its part.
    """
    assert before.grid is not None, "a convolution needs tokens on a grid"
    grid = tuple(picture.shape[2:])
    values = picture.movedim(1, -1).flatten(1, -2)
    if before.dense and before.flat and math.prod(grid) <= before.length:
        count = math.prod(grid)  # the layout is all alike: any part of it is the new one
        return Tokens(values, before.mask[:, :count], before.order[:, :count], grid=grid, dense=True, flat=True)
    corners = _corners(before.grid, grid, device=values.device)
    mask, order = before.mask[:, corners], before.order[:, corners]
    return Tokens(values, mask, order, grid=grid, dense=before.dense, flat=before.flat).zeroed()


def same_padding(kernel: int, stride: int) -> int:
    """Cells to add on each side so that a convolution gives size / stride cells; none for patches (kernel = stride)."""
    return max(0, (kernel - stride + 1) // 2)


def _corners(old: Sequence[int], new: Sequence[int], *, device: torch.device) -> Tensor:
    """[N'] long: for each new cell the number of the old one at its upper left corner."""
    numbers = torch.arange(math.prod(old), device=device).reshape(tuple(old))
    for axis, (before, after) in enumerate(zip(old, new, strict=True)):
        numbers = numbers.index_select(axis, torch.arange(after, device=device) * before // after)
    return numbers.flatten()
