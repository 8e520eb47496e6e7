"""Tokens: the one thing that encoders, fusions and tasks hand each other."""

# B = samples of a batch, N = tokens of a sample (padded), D = width

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tokens:
    """A sequence of vectors for each sample, with what is real and who may see whom.

    values: [B,N,D]. mask: [B,N] bool, True = real; padding and absence are the same thing, rows of False.
    order: [B,N] long; token i may see token j if mask[j] and order[j] <= order[i]. All 0 = both ways;
    1..N = causal; 0 for a prefix and then 1..N = prefix language model. A pooled vector is N = 1.
    grid: N as height x width (or time x frequency) in row order, for convolution stages; else None.
    dense: True only where it is known that the whole mask is True. flat: True only where it is known that order is
    the same all along N; causal: that it rises by one. Python values: attention picks its fast path by them without
    asking the device, so whoever replaces mask or order takes back what no longer holds.
    """

    values: Tensor
    mask: Tensor
    order: Tensor
    grid: tuple[int, ...] | None = None
    dense: bool = False
    causal: bool = False
    flat: bool = False

    def __post_init__(self) -> None:
        assert self.values.ndim == 3, f"values must be [B,N,D] but have shape {tuple(self.values.shape)}"
        assert self.mask.shape == self.order.shape == self.values.shape[:2], "mask and order must be [B,N]"
        assert self.mask.dtype == torch.bool, "mask must be bool"
        assert self.grid is None or prod(self.grid) == self.values.shape[1], "the grid must hold N tokens"

    @classmethod
    def of(
        cls,
        values: Tensor,
        mask: Tensor | None = None,
        *,
        order: Tensor | None = None,
        grid: tuple[int, ...] | None = None,
        causal: bool = False,
    ) -> Self:
        """Tokens of `values` [B,N,D]; without a mask all are real, without an order all see all."""
        shape, device = values.shape[:2], values.device
        real = torch.ones(shape, dtype=torch.bool, device=device) if mask is None else mask
        rank = torch.zeros(shape, dtype=torch.long, device=device) if order is None else order
        return cls(values, real, rank, grid=grid, dense=mask is None, causal=causal, flat=order is None)

    @classmethod
    def single(cls, vector: Tensor, present: Tensor | None = None) -> Self:
        """One token a sample from pooled vectors [B,D]; rows that are not present [B] are masked and zero."""
        if present is None:
            return cls.of(vector.unsqueeze(1))
        return cls.of(torch.where(present.unsqueeze(1), vector, 0).unsqueeze(1), present.unsqueeze(1))

    @property
    def width(self) -> int:
        """D."""
        return self.values.shape[-1]

    @property
    def length(self) -> int:
        """N, padding included."""
        return self.values.shape[1]

    @property
    def present(self) -> Tensor:
        """[B] bool: which samples have at least one real token."""
        return self.mask.any(1)

    def with_values(self, values: Tensor) -> Self:
        """The same layout with other vectors [B,N,any width]."""
        return replace(self, values=values)

    def zeroed(self) -> Self:
        """The same tokens, zero wherever the mask is False."""
        if self.dense:
            return self
        return self.with_values(torch.where(self.mask.unsqueeze(-1), self.values, 0))

    def bothways(self) -> Self:
        """The same tokens, each seen by all."""
        return replace(self, order=torch.zeros_like(self.order), causal=False, flat=True)

    def cut(self, start: int, stop: int) -> Self:
        """Tokens start..stop of every sample; a grid is lost unless nothing is cut off."""
        if start == 0 and stop == self.length:
            return self
        values, mask, order = self.values[:, start:stop], self.mask[:, start:stop], self.order[:, start:stop]
        return replace(self, values=values, mask=mask, order=order, grid=None)

    def pick(self, rows: Tensor) -> Self:
        """The samples named by an index or a bool mask, in that order."""
        return replace(self, values=self.values[rows], mask=self.mask[rows], order=self.order[rows])

    def pool(self) -> Tensor:
        """Mean over real tokens [B,D]; an absent sample pools to 0, never to NaN."""
        if self.dense:
            return self.values.mean(1)
        count = self.mask.sum(1, keepdim=True).clamp_min(1)
        return self.zeroed().values.sum(1) / count.to(self.values.dtype)

    def pool_max(self) -> Tensor:
        """Maximum over real tokens [B,D]; an absent sample pools to 0."""
        if self.dense:
            return self.values.amax(1)
        lowest = torch.finfo(self.values.dtype).min
        highest = torch.where(self.mask.unsqueeze(-1), self.values, lowest).amax(1)
        return torch.where(self.present.unsqueeze(-1), highest, 0)

    def last(self) -> Tensor:
        """The last real token [B,D]; an absent sample gives 0."""
        steps = torch.arange(1, self.length + 1, device=self.mask.device)
        index = (self.mask * steps).argmax(1)
        chosen = self.values[torch.arange(len(index), device=index.device), index]
        return torch.where(self.present.unsqueeze(-1), chosen, 0)


def join(parts: Sequence[Tokens]) -> Tokens:
    """Tokens of equal width one after another along N. A single part is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    return Tokens(
        torch.cat([part.values for part in parts], 1),
        torch.cat([part.mask for part in parts], 1),
        torch.cat([part.order for part in parts], 1),
        dense=all(part.dense for part in parts),
    )
