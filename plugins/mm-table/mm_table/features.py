"""What a batch of features holds, taken apart for the encoders."""

# B = samples of a batch, F = features: numbers first, then categories, C = categories, D = width

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Features(nn.Module):
    """Takes [B,F,2] apart, and looks up the vectors of categories in one table."""

    def __init__(self, facts: Mapping[str, Any], width: int, *, deviation: float) -> None:
        """width: D of the vectors that stand for categories; they start at random with this deviation."""
        super().__init__()
        self.numbers, self.categories = len(facts["numbers"]), len(facts["categories"])
        counts = torch.tensor(facts["cardinalities"], dtype=torch.long)
        self.register_buffer("highest", counts - 1, persistent=False)
        self.register_buffer("starts", counts.cumsum(0) - counts, persistent=False)
        self.table = nn.Embedding(int(counts.sum()), width) if self.categories else None
        if self.table is not None:
            nn.init.normal_(self.table.weight, std=deviation)
            with torch.no_grad():  # what was never seen starts in the middle of what was
                self.table.weight[self.starts] = 0

    def known(self, values: Tensor) -> Tensor:
        """[B,F,2] -> [B,F] bool: the features that are not missing."""
        return values[..., 1] > 0.5

    def amounts(self, values: Tensor) -> Tensor:
        """[B,F,2] -> [B,numbers]: standardised; the median where missing."""
        return values[:, : self.numbers, 0]

    def vectors(self, values: Tensor) -> Tensor:
        """[B,F,2] -> [B,C,D]: of the categories."""
        if self.table is None:
            return values.new_zeros(len(values), 0, 1)
        codes = values[:, self.numbers :, 0].round().clamp_min(0).long()  # filler may hold anything
        found: Tensor = self.table(torch.minimum(codes, self.highest) + self.starts)
        return found
