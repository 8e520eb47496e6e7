"""A block in which tokens look at those of another field."""

# B = samples of a batch, N = tokens that look, K = tokens looked at, D = width

import torch
from torch import Tensor, nn

from mmcore.interfaces.tokens import Tokens
from mmcore.layers.attention import Attention


class CrossBlock(nn.Module):
    """Attention to the tokens of another field, then a small network on each, both added to what came in.

    Each is normalised before. Where the other field is absent, the tokens stay as they are. With `gated`, both steps
    are multiplied by tanh of a learned number that starts at 0, so that a trained network begins as it was (Alayrac et
    al., Flamingo, 2022 (2204.14198), section 2.2).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        width_key: int | None = None,
        ratio: float = 4.0,
        dropout: float = 0.0,
        gated: bool = False,
    ) -> None:
        """width: D of the tokens that look. width_key: D of those looked at, where it is another.

        ratio: hidden width of the small network, in widths. Raises ConfigError where the width cannot be dealt to the
        heads.
        """
        super().__init__()
        hidden = max(1, round(ratio * width))
        self.norm_query = nn.LayerNorm(width)
        self.norm_key = nn.LayerNorm(width if width_key is None else width_key)
        self.attention = Attention(width, heads, width_key=width_key, dropout=dropout)
        self.norm_network = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)
        self.gates = nn.Parameter(torch.zeros(2)) if gated else None

    def forward(self, query: Tokens, key: Tokens) -> Tokens:
        """query [B,N,D] and key [B,K,width_key] -> [B,N,D]."""
        return self.look(query, self.keys_of(key))

    def keys_of(self, key: Tokens) -> Tokens:
        """What of the tokens `key` is needed, [B,K,2*D]; it does not depend on those that look and may be kept."""
        return self.attention.keys_of(key.with_values(self.norm_key(key.values)))

    def look(self, query: Tokens, keys: Tokens) -> Tokens:
        """query [B,N,D] and `keys_of` the other field's tokens -> [B,N,D]."""
        one, other = (1.0, 1.0) if self.gates is None else self.gates.tanh().unbind()
        found = self.attention.across(query.with_values(self.norm_query(query.values)), keys)
        values = query.values + self.dropout(found) * one
        change: Tensor = self.network(self.norm_network(values))
        values = values + self.dropout(change) * other
        if not keys.dense:
            values = torch.where(keys.present[:, None, None], values, query.values)
        return query.with_values(values)
