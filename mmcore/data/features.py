"""Cached features: what a frozen encoder made of a field, from the store to a batch."""

# B = samples, N = tokens of a sample (padded), D = width

from collections.abc import Sequence

import numpy as np
import torch

from mmcore.interfaces.block import Block
from mmcore.interfaces.field import Field


class Features:
    """Collates arrays [N,D] of one width, as a modality would its own."""

    def __init__(self, width: int, *, tokens: int = 1) -> None:
        """tokens: how many N are where no sample has the field."""
        self._width, self._tokens = width, tokens

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """values [B,N,D] float32, mask [B,N]; None where all have as many tokens."""
        if isinstance(arrays, Block) and arrays.whole.size:
            return Field(torch.from_numpy(arrays.whole).float(), torch.ones(len(arrays), dtype=torch.bool))
        lengths = torch.tensor([0 if array is None else len(array) for array in arrays])
        longest = int(lengths.max()) or self._tokens
        values = torch.zeros(len(arrays), longest, self._width)
        for number, array in enumerate(arrays):
            if array is not None:
                values[number, : len(array)] = torch.from_numpy(array)
        even = bool((lengths[lengths > 0] == longest).all())
        mask = None if even else torch.arange(longest) < lengths.unsqueeze(1)
        return Field(values, lengths > 0, mask)
