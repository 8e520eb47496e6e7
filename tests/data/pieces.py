"""Columns in pieces, as what grows gives them."""

from functools import partial

from mmcore.data.column import Column
from mmcore.data.pieces import Pieces
from mmcore.data.pile import Pile


def in_pieces(texts: list[str]) -> Pieces:
    """A column of texts."""
    column = Column(Pile())
    for text in texts:
        column.append(text)
    return partial(column.pieces, kind=str)


def texts_of(pieces: Pieces, rows: int) -> list[str]:
    """All of its texts."""
    return [text for piece in pieces(rows) for text in piece.to_pylist()]
