"""What counts as a text."""

import math
from collections.abc import Iterable

from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell


def text_of(cell: Cell) -> str:
    """The cell as a text. Raises DataError where it is none, or holds half of a character."""
    readable = isinstance(cell, str | int) or (isinstance(cell, float) and math.isfinite(cell))
    if not readable or isinstance(cell, bool):
        raise DataError(f"a text must be a string or a number, but the cell holds {str(cell)[:80]!r}.")
    text = str(cell)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"the text {text[:80]!r} holds half of a character: {error}.") from error
    return text


def readable(cells: Iterable[Cell]) -> Iterable[str]:
    """The texts among the cells; one that is none is skipped: the encode stage puts it into quarantine."""
    for cell in cells:
        try:
            yield text_of(cell)
        except DataError:
            continue
