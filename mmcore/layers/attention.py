"""Multi-head attention over tokens: `mask` and `order` say who sees whom."""

# B = samples of a batch, N = tokens that look, K = tokens looked at, D = width

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import StageCache
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.positions import positions, rotate_alike


class Attention(nn.Module):
    """Tokens look at themselves, or at the tokens of another field.

    Among themselves a token sees the real ones whose order is not higher than its own. Across fields it sees every real
    one: orders of two fields say nothing about each other. Who has nothing to see gets exactly 0.
    """

    def __init__(
        self, width: int, heads: int, *, width_key: int | None = None, dropout: float = 0.0, rotary: bool = False
    ) -> None:
        """width: D of the tokens that look. width_key: D of those looked at, where it is another.

        dropout: share of the attention weights dropped while training. rotary: places turn queries and keys; only for
        tokens that look at themselves. Raises ConfigError where the width cannot be dealt to the heads.
        """
        super().__init__()
        if width % heads or (rotary and width % (2 * heads)):
            pairs = ", in pairs," if rotary else ""
            raise ConfigError(f"a width of {width} cannot be dealt{pairs} to {heads} heads. Change width or heads.")
        self.heads = heads
        self.dropout = dropout
        self.rotary = rotary
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width if width_key is None else width_key, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        query: Tokens,
        key: Tokens | None = None,
        *,
        cache: StageCache | None = None,
        places: Tensor | None = None,
    ) -> Tensor:
        """What each of the tokens `query` [B,N,D] found, [B,N,D].

        key: [B,K,width_key]; None: the query's own tokens. cache: for own tokens only: what is kept of those before
        these, extended in place by keys, values, mask and order, batch-first. places: [B,N] or [1,N] long, where each
        stands; None: as many real tokens are before it.
        """
        assert key is None or (cache is None and not self.rotary), "cache and places are for a token's own field alone"
        if key is not None:
            return self.across(query, self.keys_of(key))
        queries = self._heads(self.query(query.values))
        keys, values = (self._heads(part) for part in self.key_value(query.values).chunk(2, -1))
        if self.rotary:
            places = _places(query, cache) if places is None else places
            queries, keys = rotate_alike(queries, keys, places=places)
        if cache is None:
            return self._look(queries, keys, values, rule=_among(query))
        first = not cache
        keys, values = _remember(query, keys, values, cache=cache)
        return self._look(queries, keys, values, rule=_among(query) if first else _after(query, cache))

    def keys_of(self, key: Tokens) -> Tokens:
        """Keys and values of the tokens [B,K,width_key] side by side, [B,K,2*width]; may be kept for a whole decode."""
        return key.with_values(self.key_value(key.values))

    def across(self, query: Tokens, keys: Tokens) -> Tensor:
        """What each of the tokens `query` [B,N,D] found among those that `keys` [B,K,2*D] was made of, [B,N,D]."""
        queries = self._heads(self.query(query.values))
        found, values = (self._heads(part) for part in keys.values.chunk(2, -1))
        return self._look(queries, found, values, rule=_across(keys))

    def _look(self, queries: Tensor, keys: Tensor, values: Tensor, *, rule: "_Rule") -> Tensor:
        dropout = self.dropout if self.training else 0.0
        found = scaled_dot_product_attention(
            queries, keys, values, attn_mask=rule.allowed, dropout_p=dropout, is_causal=rule.causal
        )
        result: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return result if rule.blind is None else torch.where(rule.blind.unsqueeze(-1), 0, result)

    def _heads(self, values: Tensor) -> Tensor:
        return values.view(*values.shape[:2], self.heads, -1).transpose(1, 2)


@dataclass(frozen=True)
class _Rule:
    """Who sees whom. allowed: [B,1,N or 1,K] bool, None where all do. blind: [B,N or 1] bool: who sees nothing."""

    allowed: Tensor | None = None
    causal: bool = False
    blind: Tensor | None = None

    @classmethod
    def of(cls, sees: Tensor) -> "_Rule":
        """sees: [B,N or 1,K]. The blind are let see everything, lest they become NaN, and are set to 0 afterwards."""
        blind = ~sees.any(-1)
        return cls((sees | blind.unsqueeze(-1)).unsqueeze(1), blind=blind)


def _across(key: Tokens) -> _Rule:
    return _Rule() if key.dense else _Rule.of(key.mask.unsqueeze(1))


def _among(query: Tokens) -> _Rule:
    """Own tokens look at each other."""
    if query.dense and (query.flat or query.causal):
        return _Rule(causal=query.causal)
    if query.flat:
        return _Rule.of(query.mask.unsqueeze(1))
    sees = query.mask.unsqueeze(1) & (query.order.unsqueeze(1) <= query.order.unsqueeze(2))
    return _Rule(sees.unsqueeze(1)) if query.dense else _Rule.of(sees)  # who is real sees itself


def _after(query: Tokens, cache: StageCache) -> _Rule:
    """Own tokens look at all that is remembered, themselves included."""
    sees = cache["order"].unsqueeze(1) <= query.order.unsqueeze(2)
    if "mask" in cache:
        sees = cache["mask"].unsqueeze(1) & sees
    return _Rule(sees.unsqueeze(1)) if query.dense else _Rule.of(sees)


def _places(query: Tokens, cache: StageCache | None) -> Tensor:
    if cache and "mask" in cache:
        return positions(query.mask, cache["mask"].sum(1))
    before = cache["order"].shape[1] if cache else 0
    if not query.dense:
        return positions(query.mask, before)
    return torch.arange(before, before + query.length, device=query.mask.device).unsqueeze(0)


def _remember(query: Tokens, keys: Tensor, values: Tensor, *, cache: StageCache) -> tuple[Tensor, Tensor]:
    """Keys and values [B,heads,K,D of a head] of everything so far.

    The cache holds them, and `order` [B,K] and `mask` [B,K] of them; no mask where all are real.
    """
    if "order" in cache and "mask" not in cache and not query.dense:
        cache["mask"] = torch.ones_like(cache["order"], dtype=torch.bool)
    if "mask" in cache or not query.dense:
        cache.grow("mask", query.mask, axis=1)
    cache.grow("order", query.order, axis=1)
    return cache.grow("keys", keys, axis=2), cache.grow("values", values, axis=2)
