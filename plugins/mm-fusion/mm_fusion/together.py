"""Tokens of several fields brought to one width, told where they stand and whose they are."""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from mmcore.interfaces.tokens import Tokens, join
from mmcore.layers.positions import positions, waves


class Together(nn.Module):
    """y = P_m x + place + whose_m: a layer for each field, waves for each place, a learned vector for each field."""

    def __init__(self, widths: Sequence[int], width: int) -> None:
        """widths: D of each field. width: D of all afterwards."""
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(each, width) for each in widths)
        self.whose = nn.Parameter(0.02 * torch.randn(len(widths), width)) if len(widths) > 1 else None

    def forward(self, fields: Sequence[Tokens]) -> list[Tokens]:
        """Each field's tokens [B,N,its width] -> [B,N,width], zero where masked, in no grid."""
        parts: list[Tokens] = []
        for number, (layer, tokens) in enumerate(zip(self.project, fields, strict=True)):
            values = layer(tokens.values)
            values = values + waves(tokens, values.shape[-1]).to(values.dtype)
            values = values if self.whose is None else values + self.whose[number]
            parts.append(replace(tokens, values=values, grid=None).zeroed())
        return parts


def in_a_row(parts: Sequence[Tokens]) -> Tokens:
    """Tokens one after another; those that saw each other both ways see all others that do."""
    level = [part.bothways() if part.flat and not part.causal else part for part in parts]
    whole = join(level)
    return replace(whole, flat=True) if all(part.flat for part in level) else whole


def places_within(parts: Sequence[Tokens]) -> Tensor:
    """[B,N] long: where each token stands within its own field, whatever the lengths of the others."""
    return torch.cat([positions(part.mask) for part in parts], 1)
