"""Rows as programs give them: what stands for a cell becomes one, and anything else is told in short."""

import math
import os
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.modality import Cell


def row_of(given: Any) -> dict[str, Cell | None]:
    """Column -> cell: a path is its text, a number of NumPy Python's own, and NaN, as a DataFrame has it, nothing.

    Raises ConfigError where it is no row at all, DataError where it holds what can be no cell.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"a row is a mapping from columns to cells, but this is {reprlib.repr(given)}. Put [ ] round a single row, "
            "and give a DataFrame as df.to_dict('records')."
        )
    return {name: _cell_of(cell, column=name) for name, cell in given.items()}


def _cell_of(given: Any, *, column: str) -> Cell | None:
    if isinstance(given, np.generic):
        given = given.item()
    if given is None or (isinstance(given, float) and math.isnan(given)):
        return None
    if isinstance(given, str | int | float):
        return given
    if isinstance(given, os.PathLike):
        return os.fsdecode(given)
    raise DataError(
        f"{column}: a cell is a text, a number, a truth value or the path of a file, but this is of the type "
        f"{type(given).__name__}: {reprlib.repr(given)}."
    )
