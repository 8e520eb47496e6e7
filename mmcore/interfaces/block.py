"""Arrays of one shape that lie one after another in memory: a batch of them is made without a copy."""

from collections.abc import Sequence
from typing import overload

import numpy as np
import torch


class Block(Sequence[np.ndarray]):
    """The arrays along the first axis of `whole` [n,...], which nobody else holds: they may be written to."""

    def __init__(self, whole: np.ndarray) -> None:
        self.whole = whole

    def __len__(self) -> int:
        return len(self.whole)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> "Block": ...
    def __getitem__(self, index: int | slice) -> "np.ndarray | Block":
        # The ellipsis: of arrays without axes an array too, and not a number.
        return Block(self.whole[index]) if isinstance(index, slice) else self.whole[index, ...]


def stacked(arrays: Sequence[np.ndarray | None], *, filler: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Arrays of one shape as [n,...], and [n] which of them there are; `filler` stands for those that are not.

    What a Block holds is taken as it is.
    """
    if isinstance(arrays, Block):
        return torch.from_numpy(arrays.whole), torch.ones(len(arrays), dtype=torch.bool)
    present = torch.tensor([array is not None for array in arrays])
    return torch.from_numpy(np.stack([filler if array is None else array for array in arrays])), present
