"""The encoder `ngrams`: a vector for each token and for each run of a few, whose mean says what a text is about.

Joulin et al. 2016, 1607.01759 (fastText). On a few thousand texts hard to beat, and the fastest.
"""

# B = samples of a batch, S = tokens of a text, D = width

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from mm_text.language import TextEncoder
from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens

PRIME = 1_000_003


class Ngrams(TextEncoder):
    """Each token's vector, with those of the runs of up to `longest` tokens that end at it added. One stage."""

    elastic = False

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        width: Annotated[int, Range(1, soft_low=16, soft_high=512, log=True)] = 128,
        longest: Annotated[int, Range(1, 5)] = 2,
        buckets: Annotated[int, Range(1, soft_low=1024, soft_high=1 << 20, log=True)] = 20_000,
        skip: Annotated[float, Range(0, 0.9)] = 0.0,
    ) -> None:
        """facts: vocabulary. width: of each vector. longest: tokens of the longest run that has a vector of its own.

        buckets: vectors for runs of two and more, which share one where their hashes meet.
        skip: share of the places whose vectors are left out while training.
        """
        super().__init__(facts, width_table=width, width_last=width, causal=False)
        self.widths = (width, width)
        self.longest, self.buckets = longest, buckets
        self.runs = nn.Embedding(buckets, width) if longest > 1 else None
        self.by_number = () if self.runs is None else ("runs.weight",)
        for table in (self.table, self.runs):
            if table is not None:
                nn.init.normal_(table.weight, std=0.1)  # small: what training has not seen says nothing
        self.stages = nn.ModuleList([Skip(skip, width)])

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Numbers [B,S] -> vectors, all seen by all."""
        tokens = super().embed(field, start)
        if self.runs is None:
            return tokens
        values, ids = tokens.values, field.values
        hashes = ids
        for size in range(2, self.longest + 1):
            earlier = torch.nn.functional.pad(ids, (size - 1, 0))[:, : ids.shape[1]]
            hashes = (hashes * PRIME + earlier + size) % (1 << 31)
            known = torch.arange(ids.shape[1], device=ids.device) >= size - 1
            values = values + torch.where(known.unsqueeze(1), self.runs(hashes % self.buckets), 0)
        return tokens.with_values(values)


class Skip(Stage):
    """Leaves out whole places while training; what is left counts as much as all did."""

    def __init__(self, share: float, width: int) -> None:
        super().__init__()
        self.share = share
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> the same."""
        values = tokens.values * self.gain
        if self.training and self.share:
            kept = torch.rand(tokens.mask.shape, device=values.device) >= self.share
            values = values * (kept.unsqueeze(-1) / (1 - self.share))
        return tokens.with_values(values)
