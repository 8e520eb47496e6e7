"""The encoder `ft-transformer`: each feature becomes a token, and blocks of attention look at them all."""

# B = samples of a batch, F = features: numbers first, then categories, D = width

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from mm_table.features import Features
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.block import Block


class FTTransformer(Encoder):
    """The feature tokeniser and transformer of Gorishniy et al., 2106.11959, section 3.3.

    A number x becomes x * weight + bias, a category its vector + bias, both with a bias for each feature. A missing
    feature is a learned token of its own. There is no [CLS] token: tasks pool, fusions look at each feature.
    """

    consumes = "table"
    elastic = True

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        width: Annotated[int, Range(1, soft_low=32, soft_high=512, log=True)] = 64,
        heads: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 4,
        layers: Annotated[int, Range(1, soft_high=8)] = 2,
        mlp_ratio: Annotated[float, Range(0.1, 16, soft_low=1, soft_high=8)] = 2.0,
        dropout: Annotated[float, Range(0, 0.9)] = 0.1,
    ) -> None:
        """facts: numbers, categories, cardinalities. Raises ConfigError where width cannot be dealt to the heads."""
        super().__init__(facts)
        deviation = width**-0.5
        self.features = Features(facts, width, deviation=deviation)
        count = self.features.numbers + self.features.categories
        self.weight = _drawn(self.features.numbers, width, deviation) if self.features.numbers else None
        self.bias, self.missing = _drawn(count, width, deviation), _drawn(count, width, deviation)
        self.widths = (width,) * (layers + 1)
        self.stages = nn.ModuleList(
            Block(width, heads, ratio=mlp_ratio, dropout=dropout, last=number == layers - 1) for number in range(layers)
        )

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """[B,F,2] -> [B,F,D]."""
        parts: list[Tensor] = []
        if self.weight is not None:
            parts.append(self.features.amounts(field.values).unsqueeze(-1) * self.weight)
        if self.features.categories:
            parts.append(self.features.vectors(field.values))
        known = self.features.known(field.values).unsqueeze(-1)
        return Tokens.of(torch.where(known, torch.cat(parts, 1) + self.bias, self.missing))


def _drawn(count: int, width: int, deviation: float) -> nn.Parameter:
    return nn.Parameter(torch.randn(count, width) * deviation)
