"""Convolutions over spectrograms as stages in which padded frames leave no trace."""

# B = samples of a batch, N = tokens of a sample, D = width, F = frames, M = mel bands

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.grid import to_picture

Activation = Literal["relu", "gelu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


def frames_of(field: Field, *, multiple: int) -> tuple[Tensor, Tensor]:
    """A prepared field as [B,F,M], zero where masked, and its mask [B,F]; F is rounded up to a multiple.

    So every stride divides F, and a shorter sound keeps the same cells however far its batch is padded.
    """
    values = field.values
    mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device) if field.mask is None else field.mask
    more = -values.shape[1] % multiple
    values = torch.where(mask.unsqueeze(-1), values, 0)
    return functional.pad(values, (0, 0, 0, more)), functional.pad(mask, (0, more))


def check_kernel(encoder: str, kernel: int) -> None:
    """Raises ConfigError for an even one."""
    if kernel % 2 == 0:
        raise ConfigError(f"the kernel of {encoder} must be odd, so that a cell lies over its middle, but is {kernel}.")


class MaskedGroupNorm(nn.Module):
    """Group norm ("Group Normalization", 1803.08494) whose mean and deviation are those of the real tokens alone."""

    def __init__(self, groups: int, width: int) -> None:
        """Raises ConfigError where the width cannot be dealt to the groups."""
        super().__init__()
        if width % groups:
            raise ConfigError(f"each of widths must be a multiple of groups ({groups}), but {width} is not.")
        self.groups = groups
        self.gain = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tokens) -> Tensor:
        """Tokens [B,N,D] -> [B,N,D], anything finite where masked."""
        values = tokens.values.float()
        grouped = (values * tokens.mask.unsqueeze(-1)).unflatten(-1, (self.groups, -1))  # [B,N,groups,D of one]
        count = (tokens.mask.sum(1).clamp_min(1) * grouped.shape[-1]).unsqueeze(1)
        mean = grouped.sum((1, 3)) / count  # [B,groups]
        variance = (grouped.square().sum((1, 3)) / count - mean.square()).clamp_min(0)
        scale = torch.rsqrt(variance + 1e-5).repeat_interleave(grouped.shape[-1], 1) * self.gain
        offset = self.bias - mean.repeat_interleave(grouped.shape[-1], 1) * scale
        return torch.addcmul(offset.unsqueeze(1), values, scale.unsqueeze(1)).to(tokens.values.dtype)


class ConvStage(Stage):
    """A convolution over time and frequency, masked group norm, activation; what keeps its shape is added to it."""

    def __init__(
        self, convolution: nn.Conv2d, norm: MaskedGroupNorm, *, activation: Activation, dropout: float = 0.0
    ) -> None:
        """convolution: must make F frames to F / stride. dropout: share of the cells' numbers dropped."""
        super().__init__()
        self.convolution = convolution
        self.norm = norm
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] on a grid of time x frequency -> [B,N',D'], anything finite where masked."""
        found = _laid_out(self.convolution(to_picture(tokens)), tokens)
        values = self.dropout(self.activation(self.norm(found)))
        return found.with_values(values + tokens.values if values.shape == tokens.values.shape else values)


def _laid_out(picture: Tensor, before: Tokens) -> Tokens:
    """[B,D',F',M'] -> tokens; a new cell is real where the one at its corner was; F' divides F.

    As mmcore.layers.grid.from_picture, but for the zeros, which the next stage sets all the same.
    """
    assert before.grid is not None, "a convolution needs tokens on a grid"
    (frames, bands), (steps, rest) = before.grid, picture.shape[2:]
    places = torch.arange(rest, device=picture.device) * bands // rest
    mask, order = (
        part.view(-1, frames, bands)[:, :: frames // steps, places].flatten(1) for part in (before.mask, before.order)
    )
    values = picture.movedim(1, -1).flatten(1, 2)
    return Tokens(values, mask, order, grid=(steps, rest), dense=before.dense, flat=before.flat)
