"""A column as it grows: a thousand values of it are in memory, the others wait in a file."""

from array import array as integers
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from mmcore.data.arrow import EXACT, KINDS, from_cells
from mmcore.data.pile import Held, Pile
from mmcore.interfaces.modality import Cell

AT_ONCE = 1024


class Column:
    """Values of one column, which are of one kind in the end."""

    def __init__(self, pile: Pile | Held) -> None:
        """pile: where they wait; the columns of a table may share it."""
        self._pile, self._places, self._last = pile, integers("q"), list[Cell | None]()
        self._kinds, self._least, self._most = set[type](), 0, 0

    def append(self, cell: Cell | None) -> None:
        """One more."""
        self._last.append(cell)
        if len(self._last) == AT_ONCE:
            self._note()
            self._places.append(self._pile.put(self._last))
            self._last = []

    def __len__(self) -> int:
        return len(self._places) * AT_ONCE + len(self._last)

    def kind(self) -> type:
        """int (of 64 bits), float or bool where all values are; else str, which all can be spelled as."""
        self._note()
        fits = {bool: True, int: self._within(-(2**63), 2**63 - 1), float: self._within(-EXACT, EXACT)}
        for kind, allowed in ((bool, {bool}), (int, {int}), (float, {int, float})):
            if self._kinds and self._kinds <= allowed and fits[kind]:  # whole numbers beyond it are names, no amounts
                return kind
        return str

    def pieces(self, rows: int, kind: type) -> Iterator[Any]:
        """All of it, `rows` values at a time (the last fewer), each a pyarrow.ChunkedArray; one at least.

        rows: a multiple of AT_ONCE.
        """
        assert rows % AT_ONCE == 0, "what waits together comes together"
        count, each = len(self._places) + bool(self._last), rows // AT_ONCE
        for start in range(0, max(count, 1), each):
            held = [from_cells(self._piece(number), kind) for number in range(start, min(start + each, count))]
            yield pa.chunked_array(held, KINDS[kind])

    def finish(self) -> Any:
        """All of it at once, in one chunk where no text is too much for that: a pyarrow.ChunkedArray."""
        kind, whole = self.kind(), max(AT_ONCE, -(-len(self) // AT_ONCE) * AT_ONCE)
        return pa.table({"column": next(self.pieces(whole, kind))}).combine_chunks()["column"]

    def _within(self, least: int, most: int) -> bool:
        """Whether all whole numbers are."""
        return self._least >= least and self._most <= most

    def _piece(self, number: int) -> list[Cell | None]:
        return self._pile.get(self._places[number]) if number < len(self._places) else self._last

    def _note(self) -> None:
        """What kinds the last values are of, and how far whole numbers reach; what is of no kind is spelled out."""
        self._kinds |= {type(cell) for cell in self._last if cell is not None}
        if not self._kinds <= KINDS.keys():
            self._last = [cell if cell is None or type(cell) in KINDS else str(cell) for cell in self._last]
        if int in self._kinds:
            whole = [cell for cell in self._last if type(cell) is int]
            self._least, self._most = min(self._least, *whole, 0), max(self._most, *whole, 0)
