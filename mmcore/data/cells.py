"""The cell of a field: one of a row's cells, or several in one; and as what it counts where rows are compared."""

import json
import math
from collections.abc import Mapping

from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import WHOLE, Row, number_in

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


def name_of(cell: Cell) -> str:
    """What a cell is called as an id or a group: 7, 7.0 and "7.0" are one name, as `compared` has it.

    Other numbers that are texts stay as they are written: 1.10 is another section than 1.1, and 1e5 part of a digest.
    """
    if isinstance(cell, str):
        whole, _, zeros = cell.strip().partition(".")
        return str(compared(whole)) if WHOLE.fullmatch(whole) and not zeros.strip("0") else cell
    return str(compared(cell))


def compared(cell: Cell | None) -> Cell | None:
    """What a cell counts as where the content of rows is compared: each number in one spelling.

    What a source makes of a cell hangs on its whole column: 9 is 9.0 once another cell is 9.5 or missing, and "9" once
    another is no number. So all of them count as 9 here, alone or in an object of several columns, and a row that is
    added changes nothing of those that were there.
    """
    if isinstance(cell, str):
        if cell.startswith("{"):
            return _compared_object(cell)
        number = number_in(cell)
        return cell if number is None else compared(number)
    if isinstance(cell, float) and math.isnan(cell):
        return None
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _compared_object(text: str) -> str:
    """Of several columns as `cell_of` packs them; any other text as it is."""
    try:
        cells = json.loads(text)
    except (ValueError, RecursionError):
        return text
    made = {name: cell if isinstance(cell, list | dict) else compared(cell) for name, cell in cells.items()}
    # What has no number in another spelling stays as it was written. Not `==`, to which 9.0 and 9 are the same.
    unchanged = all(made[name] is cell for name, cell in cells.items())
    return text if unchanged else json.dumps(made, ensure_ascii=False)


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
