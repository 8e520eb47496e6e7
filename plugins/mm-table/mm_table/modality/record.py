"""A cell of several columns: a JSON object with numbers, texts and truth values."""

import json
import math
from typing import Any

from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import number_in

Record = dict[str, str | int | float | bool]
"""Column -> value; a missing one is not there."""


def record_of(cell: Cell) -> tuple[list[str], Record]:
    """The names of all columns, and the values that are there: null, NaN and blank texts are missing.

    Raises DataError where the cell is no flat object.
    """
    try:
        found = json.loads(cell) if isinstance(cell, str) else None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{str(cell)[:80]!r} is no JSON object: {error}.") from error
    if not isinstance(found, dict):
        raise DataError(
            f"{str(cell)[:80]!r} is no JSON object of columns. Name the columns in a list (column: [age, class]), or "
            'write objects ({"age": 31}).'
        )
    for name, value in found.items():
        if isinstance(value, dict | list):
            raise DataError(f"column {name!r} of {str(cell)[:80]!r} holds a {type(value).__name__}, no single value.")
    return list(found), {name: value for name, value in found.items() if not _missing(value)}


def number_of(value: str | int | float | bool, name: str, cell: Cell) -> float:
    """A value of a column as a number. Raises DataError that names the column and the cell where it is none."""
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{str(cell)[:80]!r}: column {name!r} holds numbers, but here it is {value!r}.") from error


def label_of(value: str | int | float | bool) -> str:
    """A value as a category: 1, 1.0 and "1" are one; so are true and "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def number_label_of(label: str) -> str:
    """The label of a number that is written in another way: 1 for 1.0, 0.5 for 0.50. What is no number stays."""
    number = number_in(label)
    return label if number is None else label_of(number)


def is_number_label(label: str) -> bool:
    """Whether it is what `label_of` makes of a number."""
    return number_in(label) is not None and number_label_of(label) == label


def is_number(value: Any) -> bool:
    """Whether JSON has it as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _missing(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))
