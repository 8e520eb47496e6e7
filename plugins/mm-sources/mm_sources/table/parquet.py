"""Parquet tables."""

import json
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
        return list(file.schema_arrow.names)


def read_parquet(path: Path) -> Iterator[Row]:
    """Every row. Dates become ISO texts, decimals numbers; lists and structs become JSON texts."""
    with _opened(path) as file:
        for name, kind in zip(file.schema_arrow.names, file.schema_arrow.types, strict=True):
            if "binary" in str(kind):
                raise DataError(
                    f"column {name!r} holds bytes ({kind}). Write them to files and put their paths into the column, "
                    "or leave the column out.",
                    path=path,
                )
        try:
            for batch in file.iter_batches(BATCH_ROWS):
                for row in batch.to_pylist():
                    yield {name: _cell(value) for name, value in row.items()}
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"the table breaks off: {error}.", path=path) from error


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"this is no Parquet file: {error}", path=path) from error


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return float(value) if hasattr(value, "as_tuple") else str(value)
