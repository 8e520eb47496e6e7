"""The connector `pixel-shuffle`: neighbouring cells of a grid become one token, their numbers side by side."""

# B = samples of a batch, N = tokens of a sample, D = width, P = cells that become one

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import pad

from mm_connector.mlp import Layers, dense
from mmcore.errors import BuildError
from mmcore.interfaces.connector import Connector
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens


class PixelShuffleConnector(Connector):
    """Space to depth, then dense layers: InternVL 1.5 (2404.16821, section 3.1), Idefics3 (2408.12637, section 2.2).

    A block is real where one of its cells is; cells that are not, and those that fill up a grid whose sides are no
    multiple of the factor, count as zeros.
    """

    def __init__(
        self,
        width: int,
        width_out: int,
        *,
        factor: Annotated[int, Range(1, 8)] = 2,
        axes: Annotated[int, Range(1, 3)] = 2,
        layers: Layers = 2,
        norm: bool = True,
    ) -> None:
        """factor: cells along each axis that become one. axes: of the grid; 2 for pictures, 1 for a time series."""
        super().__init__(width, width_out)
        self.factor, self.axes = factor, axes
        self.body = dense(width * factor**axes, width_out, layers=layers, norm=norm)

    def forward(self, tokens: Tokens) -> Tokens:
        """[B,N,width] on a grid -> [B,N',width_out] on the grid that is left.

        Raises BuildError where the tokens stand on no grid, or on one with another number of axes.
        """
        if tokens.grid is None or len(tokens.grid) != self.axes:
            raise BuildError(
                f"the connector pixel-shuffle needs tokens on a grid of {self.axes} axes but got "
                f"{'none' if tokens.grid is None else tokens.grid}. Take an encoder that gives a grid (cnn, timm), set "
                "connector.axes, or take the connector mlp or resampler."
            )
        grid = tuple(math.ceil(size / self.factor) for size in tokens.grid)
        values = self.body(self._blocks(tokens.zeroed().values, tokens.grid).flatten(2))
        if tokens.dense and tokens.flat:
            count = math.prod(grid)  # the layout is all alike: any part of it is the new one
            return Tokens(values, tokens.mask[:, :count], tokens.order[:, :count], grid=grid, dense=True, flat=True)
        real = self._blocks(tokens.mask.unsqueeze(-1), tokens.grid).squeeze(-1)
        rank = self._blocks(tokens.order.unsqueeze(-1), tokens.grid).squeeze(-1)
        lowest = torch.iinfo(rank.dtype).min
        latest = rank.where(real, lowest).amax(-1)  # a block knows what its last cell knows
        mask = real.any(-1)
        order = latest.where(mask, 0)
        return Tokens(values, mask, order, grid=grid, dense=tokens.dense).zeroed()

    def _blocks(self, cells: Tensor, grid: Sequence[int]) -> Tensor:
        """[B,N,D] in row order -> [B,N',P,D]; zeros (False) fill up what is missing."""
        picture = cells.unflatten(1, tuple(grid))
        lacking = [(-size) % self.factor for size in grid]
        if any(lacking):
            picture = pad(picture, [0, 0, *(side for size in reversed(lacking) for side in (0, size))])
        for axis in range(self.axes):  # each axis becomes blocks x cells of a block
            picture = picture.unflatten(1 + 2 * axis, (-1, self.factor))
        blocks, inner = range(1, 2 * self.axes, 2), range(2, 2 * self.axes + 1, 2)
        ordered = picture.permute(0, *blocks, *inner, 2 * self.axes + 1)
        return ordered.flatten(1, self.axes).flatten(2, -2)
