"""A file as numbers: .npy or CSV."""

# T = steps, C = channels

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmcore.errors import DataError, listing, near_miss

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": ","}
MISSING = {"", "na", "nan", "n/a", "null", "none", "-"}


@dataclass(frozen=True)
class Recording:
    """values: float64 [T,C], NaN where missing. names: of the channels; empty where the file has none."""

    values: np.ndarray
    names: tuple[str, ...] = ()

    def only(self, columns: Sequence[str], path: Path) -> "Recording":
        """The channels of these names (numbers from 0 where the file has none), in the order given."""
        names = self.names or tuple(map(str, range(self.values.shape[1])))
        for column in columns:
            if column not in names:
                hint = near_miss(column, names)
                raise DataError(f"there is no channel {column!r}.{hint} There is: {listing(names)}.", path=path)
        return Recording(self.values[:, [names.index(column) for column in columns]], tuple(columns))


def read_file(path: Path, *, channels_first: bool, delimiter: str | None) -> Recording:
    """A recording with at least one step and one number. Raises DataError that names the file."""
    ending = path.suffix.lower()
    if not path.is_file():
        raise DataError("there is no such file.", path=path)
    if ending != ".npy" and ending not in DELIMITERS:
        raise DataError(f"the ending {path.suffix!r} is none of .npy, {', '.join(DELIMITERS)}.", path=path)
    found = _read_npy(path) if ending == ".npy" else _read_csv(path, delimiter or DELIMITERS[ending])
    if channels_first and ending == ".npy":
        found = Recording(found.values.T)
    if not found.values.size:
        raise DataError(f"there is no step in it: {found.values.shape[0]} x {found.values.shape[1]}.", path=path)
    infinite = np.argwhere(np.isinf(found.values))
    if len(infinite):
        step, channel = infinite[0]
        raise DataError(
            f"step {step + 1}, channel {channel + 1} is infinite. Write NaN where it is missing.", path=path
        )
    if np.isnan(found.values).all():
        raise DataError("there is no number in it: every value is missing.", path=path)
    return found


def _read_npy(path: Path) -> Recording:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"this is no .npy file of numbers: {error}.", path=path) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        kind = getattr(array, "dtype", type(array).__name__)
        raise DataError(f"it holds {kind}, no real numbers.", path=path)
    if array.ndim not in (1, 2):
        raise DataError(f"a series is [steps] or [steps, channels], but this has shape {array.shape}.", path=path)
    return Recording(array.astype(np.float64).reshape(len(array), -1) if array.ndim == 1 else array.astype(np.float64))


def _read_csv(path: Path, delimiter: str) -> Recording:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [(number, cells) for number, cells in enumerate(csv.reader(file, delimiter=delimiter), 1) if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"this is no CSV file: {error}.", path=path) from error
    if not lines:
        raise DataError("the file is empty.", path=path)
    first = lines[0][1]
    named = any(_number(cell) is None for cell in first)
    width = len(first)
    for number, cells in lines:
        if len(cells) != width:
            raise DataError(f"line {number} has {len(cells)} cells, the first line {width}.", path=path)
    rows = [[_value(cell, path, number) for cell in cells] for number, cells in lines[named:]]
    values = np.array(rows, dtype=np.float64).reshape(-1, width)
    return Recording(values, tuple(cell.strip() for cell in first) if named else ())


def _value(cell: str, path: Path, line: int) -> float:
    number = _number(cell)
    if number is None:
        raise DataError(f"line {line} holds {cell[:40]!r}, which is no number.", path=path)
    return number


def _number(cell: str) -> float | None:
    """NaN where missing, None where it is no number."""
    if cell.strip().lower() in MISSING:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None
