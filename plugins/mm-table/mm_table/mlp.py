"""The encoder `table-mlp`: all features side by side through dense layers."""

# B = samples of a batch, F = features, D = width

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from mm_table.features import Features
from mmcore.interfaces.encoder import Encoder, Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens

Activation = Literal["relu", "gelu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class TableMLP(Encoder):
    """One token: numbers, a flag for each feature that is missing, and the vectors of categories."""

    consumes = "table"

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        widths: Annotated[tuple[int, ...], Range(1, soft_low=16, soft_high=1024, log=True)] = (128, 128),
        category_width: Annotated[int, Range(1, soft_high=64, log=True)] = 8,
        activation: Activation = "relu",
        dropout: Annotated[float, Range(0, 0.9)] = 0.1,
    ) -> None:
        """facts: numbers, categories, cardinalities."""
        super().__init__(facts)
        self.features = Features(facts, category_width, deviation=1.0)
        numbers, categories = self.features.numbers, self.features.categories
        self.widths = (2 * numbers + (1 + category_width) * categories, *widths)
        self.stages = nn.ModuleList(
            DenseStage(width_in, width_out, activation=activation, dropout=dropout)
            for width_in, width_out in zip(self.widths[:-1], widths, strict=True)
        )

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """[B,F,2] -> [B,1,D]."""
        known = self.features.known(field.values).to(field.values.dtype)
        vectors = self.features.vectors(field.values) * known[:, self.features.numbers :, None]
        return Tokens.single(torch.cat([self.features.amounts(field.values), 1 - known, vectors.flatten(1)], 1))


class DenseStage(Stage):
    """A dense layer on each token."""

    def __init__(self, width_in: int, width_out: int, *, activation: Activation, dropout: float) -> None:
        """dropout: share of the numbers dropped after it while training."""
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width_in, width_out), ACTIVATIONS[activation](), nn.Dropout(dropout))

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,width_in] -> [B,N,width_out]."""
        return tokens.with_values(self.body(tokens.values)).zeroed()
