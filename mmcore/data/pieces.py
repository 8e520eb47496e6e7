"""A table that is never whole in memory: each column is put together a few thousand rows at a time."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from mmcore.data.column import AT_ONCE

Pieces = Callable[[int], Iterator[Any]]
"""How many rows at a time (a multiple of AT_ONCE) -> a column: each piece a pyarrow.ChunkedArray, one at least."""


class InPieces:
    """Columns by name, each made anew when it is asked for."""

    def __init__(self, rows: int, columns: Mapping[str, Pieces]) -> None:
        """rows: how many each column has."""
        self.num_rows, self.column_names = rows, list(columns)
        self._columns = columns

    def __getitem__(self, name: str) -> Any:
        """pyarrow.ChunkedArray"""
        pieces = list(self.pieces(name, AT_ONCE))
        return pa.chunked_array([chunk for piece in pieces for chunk in piece.chunks], pieces[0].type)

    def pieces(self, name: str, rows: int) -> Iterator[Any]:
        """The same, `rows` at a time."""
        return self._columns[name](rows)
