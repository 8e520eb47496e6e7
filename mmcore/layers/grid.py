"""Convolutions as stages: tokens on a grid become a picture and tokens again, mostly without a copy."""

# B = samples of a batch, N = tokens of a sample, D = width

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.tokens import Tokens

SLIDING = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d
)  # fmt: skip
"""Layers that step over the grid by their `stride`."""
Stride = int | Sequence[int]
"""Old cells for each new one: on each axis, or on all."""


class GridStage(Stage):
    """Any network from [B,D,height,width] to [B,D',height',width'], or with another number of axes, as a stage.

    It must treat each sample by itself, and not enlarge the grid. Where rows are ragged along an axis, nothing may
    depend on how far the batch is padded, which asks for more:

    - of n cells on that axis come ceil(n / stride): an odd kernel padded by half of it does so, others where n is a
      multiple of the stride, which the encoder pads its field to;
    - one layer alone looks at other cells, a convolution whose edge is zeros: behind the last real cell stand zeros
      too. A second convolution is a stage of its own, and a norm or a maximum over cells has to look at the mask.
    """

    def __init__(self, body: nn.Module, *, stride: Stride | None = None) -> None:
        """body: the network.

        stride: None where `body` tells it, a layer of torch's or a Sequential of such; else needed for ragged rows.
        """
        super().__init__()
        self.body = body
        self.strides = _told(body) if stride is None else [stride]

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """Tokens with a grid -> tokens with the grid that is left; masked ones are zero before it and after.

        Raises AssertionError where rows are ragged, and which cells are real would depend on padding.
        """
        picture = self.body(to_picture(tokens))
        assert tokens.grid is not None, "a convolution needs tokens on a grid"
        stride = _over_all(self.strides, axes=len(tokens.grid))
        if not tokens.dense and not torch.compiler.is_compiling():  # a number from the device would cut the graph
            _check_ragged(tokens, tuple(picture.shape[2:]), stride)
        return from_picture(picture, tokens, stride=stride)


def to_picture(tokens: Tokens) -> Tensor:
    """[B,N,D] with a grid -> [B,D,*grid], zero where masked.

    For two axes the result is a view whose memory format is channels_last: convolutions take it as it is.
    """
    assert tokens.grid is not None, "a convolution needs tokens on a grid"
    return tokens.zeroed().values.reshape(-1, *tokens.grid, tokens.width).movedim(-1, 1)


def from_picture(picture: Tensor, before: Tokens, *, stride: Sequence[int] | None = None) -> Tokens:
    """[B,D',*grid'] -> tokens, zero where masked; `before` says which were real before the network.

    A new cell is real where the cell at its upper left corner was. So a full row stays full, an absent row absent, a
    row with nothing but a blank token in front keeps just that, and a row padded on the right and below keeps its part.

    stride: old cells for each new one, on each axis. None: told by the two grids, which is right where they always are
    as large; where they follow the longest row of a batch, the part of a row would depend on how far it is padded.
    """
    assert before.grid is not None, "a convolution needs tokens on a grid"
    grid = tuple(picture.shape[2:])
    values = picture.movedim(1, -1).flatten(1, -2)
    if before.dense and before.flat and math.prod(grid) <= before.length:
        count = math.prod(grid)  # the layout is all alike: any part of it is the new one
        return Tokens(values, before.mask[:, :count], before.order[:, :count], grid=grid, dense=True, flat=True)
    corners = _corners(before.grid, grid, stride=stride, device=values.device)
    mask, order = before.mask[:, corners], before.order[:, corners]
    return Tokens(values, mask, order, grid=grid, dense=before.dense, flat=before.flat).zeroed()


def same_padding(kernel: int, stride: int) -> int:
    """Cells to add on each side so that a convolution gives size / stride cells; none for patches (kernel = stride)."""
    return max(0, (kernel - stride + 1) // 2)


def _corners(old: Sequence[int], new: Sequence[int], *, stride: Sequence[int] | None, device: torch.device) -> Tensor:
    """[N'] long: for each new cell the number of the old one at its upper left corner."""
    numbers = torch.arange(math.prod(old), device=device).reshape(tuple(old))
    for axis, (before, after) in enumerate(zip(old, new, strict=True)):
        steps = torch.arange(after, device=device)
        places = steps * before // after if stride is None else (steps * stride[axis]).clamp_max(before - 1)
        numbers = numbers.index_select(axis, places)
    return numbers.flatten()


def _told(body: nn.Module) -> list[Stride] | None:
    """The strides of layers one after another; None where such a layer is hidden in another module."""
    if isinstance(body, SLIDING):
        return [body.stride]
    if not isinstance(body, nn.Sequential):
        return None if any(isinstance(layer, SLIDING) for layer in body.modules()) else []
    parts = [_told(layer) for layer in body]
    return None if None in parts else [stride for part in parts for stride in part or ()]


def _over_all(strides: Sequence[Stride] | None, *, axes: int) -> tuple[int, ...] | None:
    """One stride for each axis."""
    if strides is None:
        return None
    each = [(stride,) * axes if isinstance(stride, int) else stride for stride in strides]
    return tuple([math.prod([stride[axis] for stride in each]) for axis in range(axes)])  # one graph, if compiled


def _check_ragged(tokens: Tokens, new: Sequence[int], stride: Sequence[int] | None) -> None:
    """Raise AssertionError where rows are ragged along an axis that was not cut into whole strides."""
    assert tokens.grid is not None, "a convolution needs tokens on a grid"
    for axis, (before, after) in enumerate(zip(tokens.grid, new, strict=True)):
        wanted = before if stride is None else -(-before // stride[axis])
        advice = (
            "Tell the network's stride: GridStage(body, stride=..)."
            if stride is None
            else f"With a stride of {stride[axis]} it must be {wanted}: pad the field to a multiple of all strides."
        )
        assert after == wanted or not _ragged(tokens.mask.view(-1, *tokens.grid), axis + 1), (
            f"rows are ragged along axis {axis}, where {before} cells became {after}: which of them are real would "
            f"depend on how far the batch is padded. {advice}"
        )


def _ragged(mask: Tensor, axis: int) -> bool:
    """Whether a row ends before the grid does, but for rows of a blank token alone: [B,*grid] bool."""
    uneven = (mask != mask.narrow(axis, 0, 1)).flatten(1).any(1)
    return bool((uneven & mask.flatten(1)[:, 1:].any(1)).any())
