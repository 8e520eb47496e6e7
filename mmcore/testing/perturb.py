"""Changes to a batch that a promise says must not matter: junk, padding, filler, other neighbours."""

# B = samples of a batch, S = positions along the ragged axis

from dataclasses import replace

import torch
from torch import Tensor

from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens

JUNK = 1e4
"""Large, so that whoever looks at it is seen; finite, since filler always is."""


def junk(like: Tensor, generator: torch.Generator) -> Tensor:
    """Other values of the same shape: large numbers, or, where numbers are ids, ids that occur in `like`."""
    if like.is_floating_point():
        return JUNK * torch.randn(like.shape, generator=generator).to(like)
    picked = torch.randint(like.numel(), like.shape, generator=generator)
    return like.flatten()[picked] if like.dtype != torch.bool else torch.rand(like.shape, generator=generator) < 0.5


def with_junk_in_masked_places(field: Field, generator: torch.Generator) -> Field:
    """The same field with other values wherever its mask is False."""
    if field.mask is None:
        return field
    real = field.mask.reshape(*field.mask.shape, *[1] * (field.values.ndim - 2))
    return field.with_values(torch.where(real, field.values, junk(field.values, generator)))


def with_more_padding(field: Field, generator: torch.Generator, *, places: int = 3) -> Field:
    """The same field with more masked positions behind."""
    if field.mask is None:
        return field
    more = junk(field.values, generator)[:, :1].expand(-1, places, *field.values.shape[2:])
    mask = torch.cat([field.mask, field.mask.new_zeros(len(field), places)], 1)
    return replace(field, values=torch.cat([field.values, more], 1), mask=mask)


def tokens_with_more_padding(tokens: Tokens, generator: torch.Generator, *, places: int = 3) -> Tokens:
    """The same tokens with more masked ones behind; they are no grid any more."""
    more = junk(tokens.values, generator)[:, :1].expand(-1, places, -1)
    mask, order = tokens.mask.new_zeros(len(more), places), tokens.order[:, -1:].expand(-1, places)
    return Tokens(
        torch.cat([tokens.values, more], 1), torch.cat([tokens.mask, mask], 1), torch.cat([tokens.order, order], 1)
    )


def with_filler(field: Field, rows: Tensor, generator: torch.Generator) -> Field:
    """The same field with other values in `rows`, masks as they were."""
    values = field.values.clone()
    values[rows] = junk(field.values, generator)[rows]
    return field.with_values(values)


def with_other_neighbours(field: Field, row: int, generator: torch.Generator) -> Field:
    """The same row among rows with other values."""
    rows = torch.tensor([n for n in range(len(field)) if n != row])
    changed = field.values.clone()
    if field.values.is_floating_point():
        changed[rows] = 3 * torch.randn(changed.shape, generator=generator).to(changed)[rows]
    else:
        changed[rows] = junk(field.values, generator)[rows]
    return field.with_values(changed)


def real(tokens: Tokens) -> Tensor:
    """[number of real tokens, D]: the real tokens of all samples one after another."""
    return tokens.values[tokens.mask]


def far(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the numbers' size; infinite where shapes differ or one is not finite."""
    if one.shape != other.shape:
        return float("inf")
    if not one.numel():
        return 0.0
    one, other = one.detach().float(), other.detach().float()
    size = max(1.0, one.abs().max().item())
    difference = (one - other).abs().max().item() / size
    return difference if difference == difference else float("inf")


def tokens_far(one: Tokens, other: Tokens) -> float:
    """How far the real tokens of two batches lie apart; infinite where other tokens are real."""
    if not torch.equal(one.mask.sum(1), other.mask.sum(1)):
        return float("inf")
    return far(real(one), real(other))
