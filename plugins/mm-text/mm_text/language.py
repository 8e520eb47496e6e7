"""What the encoders of texts share: a table of vectors to read tokens with and, where they write, to write with."""

# B = samples of a batch, S = tokens of a text, D = width

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens


class TextEncoder(Encoder):
    """Looks tokens up in a table. A subclass sets `stages` and `widths`."""

    consumes = "text"
    elastic = True

    def __init__(
        self, facts: Mapping[str, Any], *, width_table: int, width_last: int, causal: bool, dropout: float = 0.0
    ) -> None:
        """facts: vocabulary. width_table, width_last: D of the table and after the last stage.

        causal: no token sees a later one, and `readout` gives logits by the same table. dropout: on looked-up vectors.
        """
        super().__init__(facts)
        self.causal = causal
        self.dropout = nn.Dropout(dropout)
        self.table = nn.Embedding(facts["vocabulary"], width_table)
        if causal:
            # Logits are products with these vectors: with a deviation of 1 the first guesses would be wildly sure.
            nn.init.normal_(self.table.weight, std=width_table**-0.5)
            self.to_table = nn.Linear(width_last, width_table) if width_last != width_table else nn.Identity()
            self.bias = nn.Parameter(torch.zeros(facts["vocabulary"]))

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Numbers [B,S] -> vectors; order is 0 for all, or where causal goes on rising from `start`."""
        values = self.dropout(self.table(field.values))
        if not self.causal:
            return Tokens.of(values, field.mask)
        steps = torch.arange(1, values.shape[1] + 1, device=values.device)
        before = start.unsqueeze(1) if isinstance(start, Tensor) else start
        return Tokens.of(values, field.mask, order=(steps + before).expand(values.shape[:2]), causal=True)

    def readout(self, tokens: Tokens) -> Tensor | None:
        """Logits [B,S,vocabulary] where causal."""
        if not self.causal:
            return None
        return functional.linear(self.to_table(tokens.values), self.table.weight, self.bias)
