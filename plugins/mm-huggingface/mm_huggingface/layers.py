"""Layers of transformers as stages: who sees whom is told by the tokens, what was seen before by the stage's cache."""

# B = samples of a batch, N = tokens of a sample, K = tokens that are looked at, D = width, H = heads

from typing import Any

from torch import Tensor, nn

from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.positions import positions


class Layer(Stage):
    """One layer of attention."""

    def __init__(self, layer: nn.Module, *, causal: bool = False, rotary: nn.Module | None = None) -> None:
        """causal: it looks back by itself where no mask is given. rotary: what turns places into rotations."""
        super().__init__()
        self.layer = layer
        self.rotary = rotary
        self.causal = causal

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,N,D]; the cache holds keys, values, mask and order of the tokens before these."""
        more: dict[str, Any] = {}
        if self.rotary is not None:
            more["position_embeddings"] = self.rotary(tokens.values, places_of(tokens, cache))
        allowed = sight(tokens, cache, causal=self.causal)
        if cache is not None:
            more["past_key_values"] = Remembered(cache)
        return tokens.with_values(self.layer(tokens.values, attention_mask=allowed, **more))


class Last(Stage):
    """The last layer, and the normalisation that comes after it."""

    def __init__(self, stage: Stage, norm: nn.Module) -> None:
        """stage: the layer."""
        super().__init__()
        self.stage = stage
        self.norm = norm

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,N,D]."""
        found: Tokens = self.stage(tokens, cache)
        return found.with_values(self.norm(found.values))


class Remembered:
    """A stage's cache as the attention of transformers asks for it."""

    def __init__(self, cache: StageCache) -> None:
        """cache: extended in place."""
        self.cache = cache

    def update(self, keys: Tensor, values: Tensor, *where: Any) -> tuple[Tensor, Tensor]:
        """New keys and values [B,H,N,D of a head] -> all of them so far."""
        return self.cache.grow("keys", keys, axis=2), self.cache.grow("values", values, axis=2)


def places_of(tokens: Tokens, cache: StageCache | None) -> Tensor:
    """[B,N] long: how many real tokens stand before each, those of the cache included."""
    return positions(tokens.mask, cache["mask"].sum(1) if cache else 0)


def sight(tokens: Tokens, cache: StageCache | None, *, causal: bool = False) -> Tensor | None:
    """Who may see whom, bool [B,1,N,K]; None where the layer's own way is right. Layouts are added to the cache.

    Who sees nothing is let see everything, lest it become NaN; it is masked, so nobody looks at it.
    """
    mask, order, before = tokens.mask, tokens.order, bool(cache)
    if cache is not None:
        mask, order = cache.grow("mask", mask, axis=1), cache.grow("order", order, axis=1)
    if not before and tokens.dense and (tokens.causal if causal else tokens.flat):
        return None
    if not before and tokens.flat:
        sees = mask.unsqueeze(1).expand(-1, tokens.length, -1)
    else:
        sees = mask.unsqueeze(1) & (order.unsqueeze(1) <= tokens.order.unsqueeze(2))
    return (sees | ~sees.any(-1, keepdim=True)).unsqueeze(1)
