"""A shard that is being filled: its arrays end to end, in memory that is used again for the next."""

from array import array as integers
from typing import Any

import numpy as np
import pyarrow as pa

from mmcore.data.arrow import from_numpy

LEAST = 2**20
"""Bytes that are asked for at least where more are needed."""


class Waiting:
    """Arrays of a shard to come, laid end to end: a small one is mostly its own book-keeping."""

    def __init__(self) -> None:
        self.shapes = set[tuple[int, ...]]()
        self._room, self._used = np.empty(0, np.uint8), 0
        self._ends, self._axes, self._axis_ends = integers("q", [0]), integers("q"), integers("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def nbytes(self) -> int:
        """Of all arrays together."""
        return self._used * self._room.itemsize

    def append(self, one: np.ndarray) -> None:
        """One more, of the dtype of those before."""
        end = self._used + one.size
        if one.dtype != self._room.dtype:
            self._room = np.empty(0, one.dtype)
        if end > len(self._room):
            more = max(end - len(self._room), LEAST // one.itemsize, len(self._room) // 32)
            self._room.resize(len(self._room) + more, refcheck=False)  # moves pages where the system can, copies none
        self._room[self._used : end] = one.reshape(-1)
        self._used = end
        self.shapes.add(one.shape)
        self._ends.append(end)
        self._axes.extend(one.shape)
        self._axis_ends.append(len(self._axes))

    @property
    def dtype(self) -> str:
        """As NumPy writes it."""
        return str(self._room.dtype.str)

    def batch(self) -> Any:
        """One pyarrow.RecordBatch of all, which looks into the memory that the next arrays are written to."""
        flat = self._room[: self._used]
        if flat.dtype == bool:
            flat = flat.view(np.uint8)  # Arrow packs truth values into bits, which no array can point to
        ends, axes, axis_ends = (_numbers(one) for one in (self._ends, self._axes, self._axis_ends))
        values = pa.LargeListArray.from_arrays(ends, from_numpy(flat))
        shapes = pa.LargeListArray.from_arrays(axis_ends, axes)
        return pa.record_batch({"values": values, "shape": shapes})

    def clear(self) -> None:
        """Begin the next shard. What `batch` gave must be gone."""
        self._used, self.shapes = 0, set()
        self._ends, self._axes, self._axis_ends = integers("q", [0]), integers("q"), integers("q", [0])


def _numbers(values: "integers[int]") -> Any:
    """pyarrow.Array that looks into `values`."""
    return from_numpy(np.frombuffer(values, np.int64))
