"""The cell of a field: one of a row's cells, or several in one; and as what it counts where rows are compared."""

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping

from mmcore.errors import DataError, listing
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


class MadeOf:
    """What the fields of a model are made of, for rows that it is asked about."""

    def __init__(self, fields: Mapping[str, Columns]) -> None:
        """fields: every field's columns in training."""
        self._fields = {field: (columns, names_of(columns)) for field, columns in fields.items()}
        self._used = Counter(name for _, names in self._fields.values() for name in names)

    def cells(self, row: Row, wanted: Collection[str]) -> dict[str, Cell]:
        """Those of the wanted fields; what is missing is not among them.

        A field is given by its columns, as in training, or whole under its own name. A name that a column has means
        the column, but for an object of the columns of the field that is called so. Of fields that share a column, one
        may be given by itself. Raises DataError where a field is given whole and by a column that no other has.
        """
        found = dict[str, Cell]()
        for field in wanted:
            (columns, names), whole = self._fields[field], cell_of(row, field)
            if field in self._used and not (field in names and _is_object_of(whole, columns)):
                whole = None  # the cell of a column
            alone = [name for name in names if name != field and self._used[name] == 1]
            parts = [name for name in alone if cell_of(row, name) is not None]
            if whole is not None and parts:
                raise DataError(f"{field!r} is given twice: by its own name and as {listing(parts)}. Leave one out.")
            cell = cell_of(row, columns) if whole is None else whole
            if cell is not None:
                found[field] = cell
        return found

    def as_in_training(self, row: Row) -> dict[str, Cell | None]:
        """A row of a table without the cells that merely stand under the name of a field that has all its columns.

        Training read the columns. An object of them stays where none of them has a cell: it says what they would.
        """
        named = {
            field
            for field, (columns, names) in self._fields.items()
            if field not in self._used
            and all(name in row for name in names)
            and not (cell_of(row, columns) is None and _is_object_of(row.get(field), columns))
        }
        return {name: cell for name, cell in row.items() if name not in named}


def _is_object_of(cell: Cell | None, columns: Columns) -> bool:
    """Whether a cell is what several columns become. A text or an object of something else may be one of them."""
    if isinstance(columns, str) or not isinstance(cell, str):
        return False
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() <= set(columns)
