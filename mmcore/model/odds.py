"""Which token may come next, and how one is drawn."""

# R = texts, V = vocabulary, T = tokens written

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmcore.interfaces.writing import Writing

FEW = 512
"""Tokens among which a drawn one is looked for at first."""


@dataclass(frozen=True)
class Signs:
    """Tokens that are no text."""

    bos: int
    end: int
    pad: int
    never: tuple[int, ...]
    """What is not written."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Signs":
        """facts: of the field that is written. Some tokenizers have one sign for several of these."""
        bos, end, pad = int(facts["bos"]), int(facts["eos"]), int(facts["pad"])
        never = {bos, pad, int(facts.get("unknown", pad))} - {end}
        return cls(bos, end, pad, tuple(sorted(never)))


def weigh(logits: Tensor, written: Tensor, *, writing: Writing, signs: Signs) -> Tensor:
    """[R,V] log-probabilities: what was written [R,T] made less likely, what is never written impossible."""
    if writing.repetition_penalty != 1 and written.shape[1]:
        before = logits.gather(1, written)
        less = torch.where(before > 0, before / writing.repetition_penalty, before * writing.repetition_penalty)
        logits = logits.scatter(1, written, less)
    found = logits.log_softmax(1)
    for number in signs.never:  # an index made of the list would have to be brought to the device, which waits for it
        place = torch.full((1,), number, device=found.device)
        found = found.index_fill(1, place, -torch.inf)
    return found


def draw(weighed: Tensor, noise: Tensor, writing: Writing) -> Tensor:
    """[R] tokens, each where `noise` [R] between 0 and 1 falls among the summed probabilities of what may come."""
    shares, tokens = _likeliest((weighed / writing.temperature).softmax(1), writing)
    if writing.top_p is not None:
        before = shares.cumsum(1) - shares
        shares = torch.where(before < writing.top_p, shares, 0)
        shares[:, 0] = shares[:, 0].clamp_min(torch.finfo(shares.dtype).tiny)  # a share of 0 still takes the likeliest
    summed = shares.cumsum(1)
    place = (summed <= noise.unsqueeze(1) * summed[:, -1:]).sum(1)
    last = (shares > 0).long().cumsum(1).argmax(1)  # rounding must not lead beyond it
    return tokens.gather(1, torch.minimum(place, last).unsqueeze(1)).squeeze(1)


def _likeliest(shares: Tensor, writing: Writing) -> tuple[Tensor, Tensor]:
    """Probabilities [R,some] and their tokens, the likeliest first where that matters.

    To sort 64 x 6,000 numbers takes 36 ms on one core, to find the 512 largest 7: a text is a hundred times that.
    """
    most = min(writing.top_k or shares.shape[1], shares.shape[1])
    if writing.top_p is not None and most > FEW:
        found = shares.topk(FEW, 1)
        if bool((found.values.sum(1) > writing.top_p).all()):
            return found.values, found.indices
    if writing.top_p is None and writing.top_k is None:
        return shares, torch.arange(most, device=shares.device).expand_as(shares)
    found = shares.topk(most, 1)
    return found.values, found.indices


def told_of(logits: Tensor, chosen: Tensor) -> Tensor:
    """[R] log-probability of the chosen tokens."""
    told: Tensor = logits.log_softmax(1).gather(1, chosen.unsqueeze(1))
    return told.squeeze(1)
