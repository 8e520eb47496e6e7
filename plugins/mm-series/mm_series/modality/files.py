"""A file as numbers: .npy or CSV."""

# T = steps, C = channels

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
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


def read_file(
    path: Path, *, columns: Sequence[str] = (), channels_first: bool = False, delimiter: str | None = None
) -> Recording:
    """A recording with at least one step and one number. Raises DataError that names the file.

    columns: the channels to read, in this order, by name or, where the file has none, by number from 0; empty: all.
    """
    ending = path.suffix.lower()
    if not path.is_file():
        raise DataError("there is no such file.", path=path)
    if ending != ".npy" and ending not in DELIMITERS:
        raise DataError(f"the ending {path.suffix!r} is none of .npy, {', '.join(DELIMITERS)}.", path=path)
    if ending == ".npy":
        found = _read_npy(path, columns, channels_first=channels_first)
    else:
        found = _read_csv(path, columns, delimiter=delimiter or DELIMITERS[ending])
    if not found.values.size:
        raise DataError(f"there is no step in it: {found.values.shape[0]} x {found.values.shape[1]}.", path=path)
    infinite = np.argwhere(np.isinf(found.values))
    if len(infinite):
        step, channel = infinite[0]
        called = repr(found.names[channel]) if found.names else channel + 1
        raise DataError(f"step {step + 1}, channel {called} is infinite. Write NaN where it is missing.", path=path)
    if np.isnan(found.values).all():
        raise DataError("there is no number in it: every value is missing.", path=path)
    return found


def _read_npy(path: Path, columns: Sequence[str], *, channels_first: bool) -> Recording:
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # the header is read as Python: a damaged one raises whatever that may
        raise DataError(f"this is no .npy file of numbers: {error}.", path=path) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        kind = getattr(array, "dtype", type(array).__name__)
        raise DataError(f"it holds {kind}, no real numbers.", path=path)
    if array.ndim not in (1, 2):
        raise DataError(f"a series is [steps] or [steps, channels], but this has shape {array.shape}.", path=path)
    values = array.astype(np.float64)
    if values.ndim == 1:
        values = values[:, None]
    elif channels_first:
        values = values.T
    if columns:
        values = values[:, _places(columns, [str(number) for number in range(values.shape[1])], path)]
    return Recording(values, tuple(columns))


def _read_csv(path: Path, columns: Sequence[str], *, delimiter: str) -> Recording:
    """The wanted columns alone are looked at: others may hold texts, times say, or infinite numbers."""
    try:
        records = csv.reader(io.StringIO(_text_of(path), newline=""), delimiter=delimiter)
        lines = [(number, cells) for number, cells in enumerate(records, 1) if cells]
    except (OSError, csv.Error) as error:
        raise DataError(f"this is no CSV file: {error}.", path=path) from error
    if not lines:
        raise DataError("the file is empty.", path=path)
    first = lines[0][1]
    for number, cells in lines:
        if len(cells) != len(first):
            raise DataError(f"line {number} has {len(cells)} cells, the first line {len(first)}.", path=path)
    named = any(_number(cell) is None for cell in first)
    names = [cell.strip() if named else str(number) for number, cell in enumerate(first)]
    places = _places(columns, names, path) if columns else range(len(first))
    read = [names[place] for place in places]
    rows = [_values([cells[place] for place in places], read, path, number) for number, cells in lines[named:]]
    values = np.array(rows, dtype=np.float64).reshape(-1, len(places))
    return Recording(values, tuple(columns) or (tuple(names) if named else ()))


def _text_of(path: Path) -> str:
    """What the file holds, without a byte order mark. Raises DataError where it is not UTF-8."""
    raw = path.read_bytes()
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError("the file is UTF-16. Save it as UTF-8.", path=path)
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line, byte = raw.count(b"\n", 0, error.start) + 1, error.start - raw.rfind(b"\n", 0, error.start)
        place = f"line {line}, byte {byte}"
        raise DataError(f"{place} is not UTF-8 (0x{raw[error.start]:02x}). Save it as UTF-8.", path=path) from error


def _places(columns: Sequence[str], names: Sequence[str], path: Path) -> list[int]:
    """Of each of `columns` among the names."""
    for column in columns:
        if column not in names:
            hint = near_miss(column, names)
            raise DataError(f"there is no channel {column!r}.{hint} There is: {listing(names)}.", path=path)
    return [names.index(column) for column in columns]


def _values(cells: Sequence[str], names: Sequence[str], path: Path, line: int) -> list[float]:
    """The numbers of a line. names: of the channels."""
    numbers = [number for number in map(_number, cells) if number is not None]
    if len(numbers) < len(cells):
        known = [_number(cell) is not None for cell in cells]
        alone = f", or read the others alone: columns: {list(compress(names, known))}" if any(known) else ""
        wrong = f"{cells[known.index(False)][:40]!r}, which is no number"
        raise DataError(f"line {line} holds {wrong}. Leave it empty where it is missing{alone}.", path=path)
    return numbers


def _number(cell: str) -> float | None:
    """NaN where missing, None where it is no number."""
    if cell.strip().lower() in MISSING:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None
