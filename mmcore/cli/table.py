"""Rows as aligned text."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns under each other, two spaces between; the last is as long as it is."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _width(cell: str) -> int:
    """In columns of a terminal: Chinese characters take two."""
    if cell.isascii():
        return len(cell)
    from rich.cells import cell_len  # for those alone who need it: `mm plugins` does without

    return cell_len(cell)
