"""Arrow's arrays from NumPy's and from Python's values, and back."""

# pyarrow's own ways (`pa.array`, `to_numpy`) bring pandas in where it is installed: 35 MiB and 0.1 to 0.3 s a process.

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

KINDS: dict[type, Any] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
EXACT = 2**53
"""Whole numbers beyond it are not floats to the last digit."""


def from_numpy(values: np.ndarray) -> Any:
    """pyarrow.Array that looks into `values`. values: [n] of whole numbers or floats."""
    values = np.ascontiguousarray(values)
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def to_numpy(array: Any) -> np.ndarray:
    """[n] that looks into a pyarrow.Array of whole numbers or floats, none of them missing; not to be written to."""
    assert not array.null_count, "numbers that are all there"
    kind, place = np.dtype(array.type.to_pandas_dtype()), array.offset
    return np.frombuffer(array.buffers()[1] or b"", kind, place + len(array))[place:]


def from_cells(cells: Sequence[Any], kind: type) -> Any:
    """pyarrow.Array of bool, int (64 bits), float or str (with what is not a text spelled out); None is missing.

    Raises OverflowError where a whole number does not fit.
    """
    there = np.fromiter((cell is not None for cell in cells), bool, len(cells))
    missing = int(len(cells) - there.sum())
    valid = pa.py_buffer(np.packbits(there, bitorder="little")) if missing else None
    if kind is str:
        held = [b"" if cell is None else str(cell).encode() for cell in cells]
        ends = np.cumsum([0, *map(len, held)], dtype=np.int64)
        if ends[-1] > np.iinfo(np.int32).max:
            raise OverflowError("more text than one array holds")
        content = [pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(held))]
    elif kind is bool:
        content = [pa.py_buffer(np.packbits(np.array([bool(cell) for cell in cells], bool), bitorder="little"))]
    else:
        content = [pa.py_buffer(np.array([0 if cell is None else _whole(cell, kind) for cell in cells], kind))]
    return pa.Array.from_buffers(KINDS[kind], len(cells), [valid, *content], missing)


def _whole(cell: Any, kind: type) -> Any:
    if kind is float and isinstance(cell, int) and abs(cell) > EXACT:
        raise OverflowError(f"{cell} is no float")
    return cell
