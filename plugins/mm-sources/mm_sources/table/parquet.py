"""Parquet tables."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmcore.errors import DataError
from mmcore.interfaces.source import Row

BATCH_ROWS = 10_000


def read_parquet_header(path: Path) -> list[str]:
    """The columns' names."""
    with _opened(path) as file:
        return _checked_names(file, path)


def read_parquet(path: Path) -> Iterator[Row]:
    """Every row. Dates become ISO texts, decimals numbers; lists and structs become JSON texts."""
    with _opened(path) as file:
        names = _checked_names(file, path)
        for name, kind in zip(names, file.schema_arrow.types, strict=True):
            if _has_bytes(kind):
                raise DataError(
                    f"column {name!r} holds bytes ({kind}). Write them to files and put their paths into the column, "
                    "or leave the column out.",
                    path=path,
                )
        try:
            for batch in file.iter_batches(BATCH_ROWS):
                columns = [_values(column) for column in batch.columns]
                for row in zip(*columns, strict=True):
                    yield {name: _cell(value) for name, value in zip(names, row, strict=True)}
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"the table breaks off: {error}.", path=path) from error


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"this is no Parquet file: {error}", path=path) from error


def _checked_names(file: pq.ParquetFile, path: Path) -> list[str]:
    names = list(file.schema_arrow.names)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"two columns are called {twice[0]!r}. Call one of them otherwise.", path=path)
    return names


def _has_bytes(kind: Any) -> bool:
    """Whether it is bytes, or something inside it is. kind: pyarrow.DataType."""
    if pa.types.is_dictionary(kind):
        return _has_bytes(kind.value_type)
    of_bytes = pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view
    inside = [kind.field(number).type for number in range(kind.num_fields)]
    return any(is_one(kind) for is_one in of_bytes) or any(_has_bytes(one) for one in inside)


def _values(column: Any) -> list[Any]:
    """A column's cells as Python's own. column: pyarrow.Array."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return _with_nanoseconds(column)
    try:
        values: list[Any] = column.to_pylist()
    except ValueError:  # nanoseconds of a time or a duration: Python knows none, and pandas may not be there
        values = column.cast(pa.string()).to_pylist()
    return values


def _with_nanoseconds(column: Any) -> list[str | None]:
    """ISO texts, with nine digits where six do not say it: the same whether pandas is there or not."""
    counts = [None if count is None else divmod(count, 1000) for count in column.cast(pa.int64()).to_pylist()]
    micros = pa.array([None if count is None else count[0] for count in counts], pa.timestamp("us", column.type.tz))
    found = list[str | None]()
    for count, time in zip(counts, micros.to_pylist(), strict=True):
        if count is None or not count[1]:
            found.append(None if time is None else time.isoformat())
        else:
            whole = time.isoformat(timespec="microseconds")
            place = len("2000-01-01T00:00:00.000000")
            found.append(f"{whole[:place]}{count[1]:03}{whole[place:]}")
    return found


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return float(value) if hasattr(value, "as_tuple") else str(value)
