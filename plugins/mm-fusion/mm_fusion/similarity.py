"""Similarity-weighted sum: each token of one field gathers the tokens of the other that it is like."""

# B = samples of a batch, N = tokens of the first field, M = tokens of the second, D = width

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import torch
from torch import nn

from mmcore.errors import BuildError
from mmcore.interfaces.fusion import LateFusion, Port, Streams, need_port
from mmcore.interfaces.settings import FieldName, Range
from mmcore.interfaces.tokens import Tokens, join


class Similarity(LateFusion):
    """weights = a bᵀ within one sample, joint = weights b, with a added to it (`residual`).

    `direction: both` puts the second field's tokens behind, which gather the first's in the same way. normalise `none`
    takes the products as they are, divided by the number of tokens that are summed, so that longer texts do not weigh
    more; `softmax` makes them shares: softmax(a bᵀ / sqrt(D)). Fields beyond the two are put behind as they are. Where
    the gathering field is absent there is no token that could gather; where the other is, there is nothing to gather.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        first: Annotated[str, FieldName()] = "image",
        second: Annotated[str, FieldName()] = "question",
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        normalise: Literal["none", "softmax"] = "softmax",
        direction: Literal["first", "second", "both"] = "both",
        residual: bool = True,
    ) -> None:
        """first, second: fields. width: that all are brought to. direction: whose tokens gather the other's.

        residual: add the gathering token itself. Raises BuildError where `first` or `second` has no encoder.
        """
        super().__init__(ports)
        if first == second:
            raise BuildError(f"fusion.first and fusion.second both name {first!r}: similarity needs two fields.")
        self.first, self.second = first, second
        self.of_first = nn.Linear(need_port(ports, first, "first").width, width)
        self.of_second = nn.Linear(need_port(ports, second, "second").width, width)
        self.others = tuple(name for name in sorted(ports) if name not in (first, second))
        self.of_others = nn.ModuleList(nn.Linear(ports[name].width, width) for name in self.others)
        self.normalise, self.direction, self.residual = normalise, direction, residual
        self.writes = {**self.writes, "joint": width}

    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        """`joint`: the gathering tokens, real where their own field has them."""
        a, b = _projected(streams[self.first], self.of_first), _projected(streams[self.second], self.of_second)
        parts: list[Tokens] = []
        if self.direction in ("first", "both"):
            parts.append(self._gather(a, b))
        if self.direction in ("second", "both"):
            parts.append(self._gather(b, a))
        others = zip(self.others, self.of_others, strict=True)
        parts += [_projected(streams[name], layer) for name, layer in others]
        return {"joint": join(parts)}

    def _gather(self, one: Tokens, other: Tokens) -> Tokens:
        """What each token of `one` gathers of `other`, and itself where `residual`."""
        products = one.values @ other.values.transpose(1, 2)  # [B,N,M]
        if self.normalise == "softmax":
            lowest = torch.finfo(products.dtype).min
            products = products / one.width**0.5
            shares = torch.where(other.mask.unsqueeze(1), products, lowest).softmax(-1)
        else:
            count = other.mask.sum(1).clamp_min(1).to(products.dtype)
            shares = products / count[:, None, None]
        gathered = shares @ other.values  # masked tokens are zero, so an absent field adds nothing
        return one.with_values(one.values + gathered if self.residual else gathered).zeroed()


def _projected(tokens: Tokens, layer: nn.Module) -> Tokens:
    """Tokens of the common width, each seen by all, in no grid, zero where masked."""
    return replace(tokens.bothways(), values=layer(tokens.values), grid=None).zeroed()
