"""A transformer stage that normalises before each of its two steps."""

# B = samples of a batch, N = tokens of a sample, D = width

from typing import cast

from torch import Tensor, nn

from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.attention import Attention


class Block(Stage):
    """Attention among the tokens, then a small network on each, both added to what came in."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        ratio: float = 4.0,
        dropout: float = 0.0,
        rotary: bool = False,
        last: bool = False,
    ) -> None:
        """ratio: hidden width of the small network, in widths. last: normalise once more at the end.

        Raises ConfigError where the width cannot be dealt to the heads.
        """
        super().__init__()
        hidden = max(1, round(ratio * width))
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout=dropout, rotary=rotary)
        self.norm_network = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)
        self.norm_last = nn.LayerNorm(width) if last else nn.Identity()

    def forward(self, tokens: Tokens, cache: StageCache | None = None, *, places: Tensor | None = None) -> Tokens:
        """[B,N,D] -> [B,N,D]; the cache holds keys, values, mask and order of the tokens before these.

        places: for rotary positions, [B,N] or [1,N] long; None: as many real tokens are before each.
        """
        found = self.attention(tokens.with_values(self.norm_attention(tokens.values)), cache=cache, places=places)
        values = tokens.values + self.dropout(found)
        values = values + self.dropout(self.network(self.norm_network(values)))
        return tokens.with_values(cast(Tensor, self.norm_last(values)))
