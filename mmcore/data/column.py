"""A column as it grows: laid down a thousand values at a time, in as little room as they take."""

from typing import Any

import pyarrow as pa

from mmcore.interfaces.modality import Cell

KINDS: dict[type, Any] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
AT_ONCE = 1024


class Column:
    """Values of one column, in pieces that each are of one kind where they can be."""

    def __init__(self) -> None:
        self._pieces = list[Any]()
        self._last = list[Cell | None]()
        self._kinds = set[type]()

    def append(self, cell: Cell | None) -> None:
        """One more."""
        self._last.append(cell)
        if len(self._last) == AT_ONCE:
            self._pack()

    def __getitem__(self, row: int) -> Cell | None:
        piece, place = divmod(row, AT_ONCE)
        cell = (self._pieces[piece] if piece < len(self._pieces) else self._last)[place]
        found: Cell | None = cell.as_py() if isinstance(cell, pa.Scalar) else cell
        return found

    def finish(self, *, text: bool = False) -> Any:
        """Whole numbers, numbers, truth values, or else texts; the column is empty after it.

        A pyarrow.Array, or ChunkedArray where there is more text than one holds.
        """
        self._pack()
        pieces, self._pieces = self._pieces, []
        for kind, allowed in ((bool, {bool}), (int, {int}), (float, {int, float})):
            if self._kinds and self._kinds <= allowed and not text:
                try:
                    return _joined([_as(kind, piece) for piece in pieces], KINDS[kind])
                except (OverflowError, pa.ArrowInvalid):  # whole numbers beyond 64 bits are names, not amounts
                    continue
        return _joined([_as(str, piece) for piece in pieces], KINDS[str])

    def _pack(self) -> None:
        """The last values as one piece: an array where they are of one kind, else as they are."""
        kinds = {type(cell) for cell in self._last if cell is not None}
        self._kinds |= kinds
        kind = KINDS.get(next(iter(kinds))) if len(kinds) == 1 else None
        try:
            self._pieces.append(self._last if kind is None else pa.array(self._last, kind))
        except OverflowError:
            self._pieces.append(self._last)
        self._last = []


def _as(kind: type, piece: Any) -> Any:
    """A piece as a pyarrow.Array of a kind."""
    if isinstance(piece, pa.Array):
        if piece.type == KINDS[kind]:
            return piece
        piece = piece.to_pylist()
    return pa.array([str(cell) if kind is str and cell is not None else cell for cell in piece], KINDS[kind])


def _joined(pieces: list[Any], kind: Any) -> Any:
    """In one piece where that can be, so that the same cells give the same bytes in a file."""
    table = pa.table({"column": pa.chunked_array(pieces, kind)})
    return table.combine_chunks()["column"]
