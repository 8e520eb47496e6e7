"""The connector `resampler`: learned queries attend to the tokens and stand for them."""

# B = samples of a batch, N = tokens of a sample, R = learned queries, D = width_out

from typing import Annotated

import torch
from torch import nn

from mmcore.interfaces.connector import Connector
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens, join
from mmcore.layers.attention import Attention
from mmcore.layers.positions import waves


class ResamplerConnector(Connector):
    """The perceiver resampler of Flamingo (2204.14198, appendix A.1.1): always the same number of tokens.

    In each layer the queries look at the tokens and at themselves, then go through a small network:
    x = x + attention(x, [tokens; x]); x = x + network(x).
    """

    def __init__(
        self,
        width: int,
        width_out: int,
        *,
        latents: Annotated[int, Range(1, soft_high=256, log=True)] = 32,
        layers: Annotated[int, Range(1, soft_high=8)] = 2,
        heads: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 4,
        mlp_ratio: Annotated[float, Range(0.1, 16, soft_low=1, soft_high=8)] = 4.0,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
        place: bool = True,
    ) -> None:
        """latents: R. place: tell each token where it stands, on its grid or in its row.

        Raises ConfigError where width_out cannot be dealt to the heads.
        """
        super().__init__(width, width_out)
        self.place = place
        self.into = nn.Linear(width, width_out)
        self.latents = nn.Parameter(torch.randn(latents, width_out) * 0.02)  # as the tables of language models start
        self.layers = nn.ModuleList(
            ResamplerLayer(width_out, heads, ratio=mlp_ratio, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width_out)

    def forward(self, tokens: Tokens) -> Tokens:
        """[B,N,width] -> [B,R,width_out], each seen by all."""
        values = self.into(tokens.values)
        if self.place:
            values = values + waves(tokens, values.shape[-1])
        seen = tokens.with_values(values).zeroed()
        mask = tokens.present.unsqueeze(1).expand(-1, len(self.latents))
        start = self.latents.to(values.dtype).expand(len(values), -1, -1)
        found = Tokens(start, mask, torch.zeros_like(mask, dtype=torch.long), dense=tokens.dense, flat=True)
        for layer in self.layers:
            found = layer(found, seen)
        return found.with_values(self.norm(found.values)).zeroed()


class ResamplerLayer(nn.Module):
    """One step of the queries."""

    def __init__(self, width: int, heads: int, *, ratio: float, dropout: float) -> None:
        """ratio: hidden width of the small network, in widths."""
        super().__init__()
        hidden = max(1, round(ratio * width))
        self.norm_tokens, self.norm_latents = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout=dropout)
        self.norm_network = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, latents: Tokens, tokens: Tokens) -> Tokens:
        """latents [B,R,D], tokens [B,N,D] -> latents."""
        asking = latents.with_values(self.norm_latents(latents.values))
        asked = join([tokens.with_values(self.norm_tokens(tokens.values)), asking])
        values = latents.values + self.dropout(self.attention(asking, asked))
        return latents.with_values(values + self.dropout(self.network(self.norm_network(values))))
