"""CSV: a header, then cells with a delimiter between; quoted cells may hold line ends."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mm_sources.table.text import read_text_lines
from mmcore.errors import DataError
from mmcore.interfaces.source import Row, number_in


def read_csv_header(path: Path, delimiter: str) -> list[str]:
    """The names in the first line."""
    return _checked_header(path, next(_records(path, delimiter), (1, []))[1])


def read_csv(path: Path, delimiter: str) -> Iterator[Row]:
    """Every row. An empty cell is missing; a column becomes numbers only where each of its cells is one.

    The file is walked through twice, so that not all of its rows are in memory at a time.
    """
    kinds, rows = _kinds(path, delimiter), _rows(path, delimiter)
    header = next(rows)
    for cells in rows:
        try:
            typed = [kind(cell) if cell.strip() else None for kind, cell in zip(kinds, cells, strict=True)]
        except ValueError as error:  # all of them were numbers a moment ago
            raise DataError("the table was changed while it was read. Run again.", path=path) from error
        yield dict(zip(header, typed, strict=True))


def read_csv_texts(path: Path, delimiter: str) -> Iterator[Row]:
    """Every row with its cells as they stand there. A blank one is missing."""
    rows = _rows(path, delimiter)
    header = next(rows)
    for cells in rows:
        yield {name: cell if cell.strip() else None for name, cell in zip(header, cells, strict=True)}


def _kinds(path: Path, delimiter: str) -> list[type[Any]]:
    """What each column's cells are: whole numbers, numbers, or else texts.

    A number with zeros in front (007) is a name, and makes the whole column names. Blanks round a number do not count.
    """
    rows = _rows(path, delimiter)
    kinds: list[type[Any]] = [int for _ in next(rows)]
    for cells in rows:
        for place, cell in enumerate(cells):
            if kinds[place] is not str and cell.strip():
                number = number_in(cell)
                if not isinstance(number, kinds[place]):
                    kinds[place] = str if number is None else float
    return kinds


def _rows(path: Path, delimiter: str) -> Iterator[Sequence[str]]:
    """The header, then the cells of each row; blank lines are none."""
    records = _records(path, delimiter)
    header = _checked_header(path, next(records, (1, []))[1])
    yield header
    for line, cells in records:
        if cells and len(cells) != len(header):
            raise DataError(f"line {line} has {len(cells)} cells, but the header has {len(header)}.", path=path)
        if cells:
            yield cells


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of each record."""
    csv.field_size_limit(2**31 - 1)  # the default of 128 KiB is shorter than many a document
    reader = csv.reader(read_text_lines(path), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for cells in reader:
            yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"the record that begins in line {begin} is not CSV: {error}.", path=path) from error


def _checked_header(path: Path, header: Sequence[str]) -> list[str]:
    names = [name.strip() for name in header]
    if not any(names):
        raise DataError("the table is empty: its first line must name the columns.", path=path)
    if "" in names:
        raise DataError(f"column {names.index('') + 1} has no name in the first line.", path=path)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"the first line names {twice[0]!r} twice.", path=path)
    return names
