"""The cell of a field: one of a row's cells, or several in one."""

import json
import math
from collections.abc import Mapping

from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import Row

Columns = str | tuple[str, ...]
"""What a field is made of: one column, or several, whose cells become one JSON object."""


def names_of(columns: Columns) -> tuple[str, ...]:
    """The columns one by one."""
    return (columns,) if isinstance(columns, str) else tuple(columns)


def cell_of(row: Row, columns: Columns) -> Cell | None:
    """A cell; None where it is missing, which NaN and blank texts are too.

    Of several columns, a JSON object with all of them in the order given, null where one is missing; None where all
    are.
    """
    if not isinstance(columns, str):
        cells = {name: cell_of(row, name) for name in columns}
        return None if all(cell is None for cell in cells.values()) else json.dumps(cells, ensure_ascii=False)
    cell = row.get(columns)
    if isinstance(cell, float) and math.isnan(cell):
        return None
    return None if isinstance(cell, str) and not cell.strip() else cell


def packed(row: Row, fields: Mapping[str, Columns]) -> dict[str, Cell | None]:
    """A row in which the cells of each field of several columns stand as one, under the field's name.

    A field that is given as one cell already, or of which no column is there, stays as it is; so does a column that
    another field has alone.
    """
    several = {
        field: columns
        for field, columns in fields.items()
        if not isinstance(columns, str) and field not in row and any(name in row for name in columns)
    }
    alone = {*fields, *(columns for columns in fields.values() if isinstance(columns, str))}
    taken = {name for columns in several.values() for name in columns} - alone
    whole = {field: cell_of(row, columns) for field, columns in several.items()}
    return {**{name: cell for name, cell in row.items() if name not in taken}, **whole}
