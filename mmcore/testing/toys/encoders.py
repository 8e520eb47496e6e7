"""Toy encoders: dense stages for vectors, and a GRU that can write."""

# B = samples of a batch, S = positions of a sequence, N = tokens of a sample, D = width

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmcore.interfaces.encoder import Encoder, Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens


class DenseStage(Stage):
    """Linear and tanh, for each token on its own."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width_out)

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,N,width_out]."""
        return tokens.with_values(torch.tanh(self.linear(tokens.values)))


class MLP(Encoder):
    """A vector as one token through two dense stages."""

    consumes: ClassVar[str] = "vector"
    elastic = True

    def __init__(
        self, facts: Mapping[str, Any], *, width: Annotated[int, Range(1, 64)] = 8, dropout: float = 0.0
    ) -> None:
        """facts: numbers. width: of both stages. dropout: of the numbers that come in."""
        super().__init__(facts)
        self.widths = (width, width, width)
        self.drop = nn.Dropout(dropout)
        self.first = nn.Linear(facts["numbers"], width)
        self.stages = nn.ModuleList(DenseStage(width, width) for _ in range(2))

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """[B,numbers] -> [B,1,width]."""
        return Tokens.of(self.first(self.drop(field.values)).unsqueeze(1))


class GRUStage(Stage):
    """A GRU that steps over masked positions with its state unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(width, width)

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,N,D]; the cache holds the state [B,D]."""
        kept = {} if cache is None else cache
        state = kept.get("state", tokens.values.new_zeros(len(tokens.values), tokens.width))
        steps = list[Tensor]()
        for n in range(tokens.length):
            state = torch.where(tokens.mask[:, n : n + 1], self.cell(tokens.values[:, n], state), state)
            steps.append(state)
        kept["state"] = state
        return tokens.with_values(torch.stack(steps, 1))


class CausalGRU(Encoder):
    """Word by word from left to right; it can write (its readout shares the embedding)."""

    consumes: ClassVar[str] = "sequence"
    elastic = True
    causal = True

    def __init__(self, facts: Mapping[str, Any], *, width: Annotated[int, Range(1, 64)] = 8) -> None:
        """facts: vocabulary. width: of embeddings and state."""
        super().__init__(facts)
        self.widths = (width, width)
        self.words = nn.Embedding(facts["vocabulary"], width)
        self.stages = nn.ModuleList([GRUStage(width)])

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """ids [B,S] -> [B,S,width]."""
        steps = torch.arange(1, field.values.shape[1] + 1, device=field.values.device).expand(field.values.shape)
        first = start.unsqueeze(1) if isinstance(start, Tensor) and start.ndim else start
        return Tokens.of(self.words(field.values), field.mask, order=steps + first, causal=True)

    def readout(self, tokens: Tokens) -> Tensor:
        """[B,N,width] -> [B,N,vocabulary]."""
        return functional.linear(tokens.values, self.words.weight)
