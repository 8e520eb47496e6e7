"""Which token may come next, and how one is drawn."""

# R = texts, V = vocabulary, T = tokens written

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmcore.interfaces.writing import Writing


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
    never = torch.tensor(signs.never, dtype=torch.long, device=logits.device)
    return logits.log_softmax(1).index_fill(1, never, -torch.inf)


def draw(weighed: Tensor, noise: Tensor, writing: Writing) -> Tensor:
    """[R] tokens, each where `noise` [R] between 0 and 1 falls among the summed probabilities of the likeliest ones."""
    shares, tokens = (weighed / writing.temperature).softmax(1).sort(stable=True, dim=1, descending=True)
    before = shares.cumsum(1) - shares
    kept = before < (1.0 if writing.top_p is None else writing.top_p)
    kept[:, 0] = True
    if writing.top_k is not None:
        kept[:, writing.top_k :] = False
    summed = torch.where(kept, shares, 0).cumsum(1)
    place = (summed <= noise.unsqueeze(1) * summed[:, -1:]).sum(1)
    place = torch.minimum(place, kept.sum(1) - 1)  # rounding must not lead beyond the last
    return tokens.gather(1, place.unsqueeze(1)).squeeze(1)


def told_of(logits: Tensor, chosen: Tensor) -> Tensor:
    """[R] log-probability of the chosen tokens."""
    told: Tensor = logits.log_softmax(1).gather(1, chosen.unsqueeze(1))
    return told.squeeze(1)
