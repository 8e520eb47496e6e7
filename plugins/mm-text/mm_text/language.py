"""What the encoders of texts share: a table of vectors to read tokens with and, where they write, to write with."""

# B = samples of a batch, S = tokens of a text, D = width

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmcore.errors import ConfigError
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
        """facts: vocabulary and, where tokens have parts of speech, tags: a vector of the tag is added to the token's.

        width_table, width_last: D of the table and after the last stage. dropout: on looked-up vectors.
        causal: no token sees a later one, and `readout` gives logits by the same table.
        Raises ConfigError for a causal encoder of tagged tokens: who writes a word cannot know its tag before.
        """
        super().__init__(facts)
        tags = facts.get("tags", ())
        if tags and causal:
            raise ConfigError("an encoder that writes cannot read parts of speech. Set causal: false, or taggers: {}.")
        self.causal = causal
        self.dropout = nn.Dropout(dropout)
        self.vocabulary = facts["vocabulary"]
        self.table = nn.Embedding(self.vocabulary, width_table)
        self.tag_table = nn.Embedding(len(tags), width_table) if tags else None
        if causal:
            # Logits are products with these vectors: with a deviation of 1 the first guesses would be wildly sure.
            nn.init.normal_(self.table.weight, std=width_table**-0.5)
            self.to_table = nn.Linear(width_last, width_table) if width_last != width_table else nn.Identity()
            self.bias = nn.Parameter(torch.zeros(facts["vocabulary"]))

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Numbers [B,S] -> vectors; order is 0 for all, or where causal goes on rising from `start`.

        With tags a number is the token's plus the tag's times the vocabulary.
        """
        values = self.dropout(self._look_up(field.values))
        if not self.causal:
            return Tokens.of(values, field.mask)
        steps = torch.arange(1, values.shape[1] + 1, device=values.device)
        before = start.unsqueeze(1) if isinstance(start, Tensor) else start
        return Tokens.of(values, field.mask, order=(steps + before).expand(values.shape[:2]), causal=True)

    def _look_up(self, numbers: Tensor) -> Tensor:
        if self.tag_table is None:
            return self.table(numbers)
        return self.table(numbers % self.vocabulary) + self.tag_table(numbers // self.vocabulary)

    def readout(self, tokens: Tokens) -> Tensor | None:
        """Logits [B,S,vocabulary] where causal."""
        if not self.causal:
            return None
        return functional.linear(self.to_table(tokens.values), self.table.weight, self.bias)
