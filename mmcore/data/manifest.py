"""The manifest: which rows there are, what they hold, and which split each belongs to."""

# Columns: id, split, group, one for each FIELD, hash:FIELD (of files), slice:NAME. A row is known by its position.

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmcore.data.arrow import from_cells, from_numpy
from mmcore.data.column import AT_ONCE
from mmcore.data.intake import Wanted
from mmcore.data.parquet import ParquetColumns, table_of, write_parquet
from mmcore.data.split import SPLITS
from mmcore.errors import ArtifactError, ConfigError, in_one_name, listing, near_miss
from mmcore.interfaces.modality import Cell

RESERVED = ("id", "split", "group")
FORBIDDEN = ":/\\."
MOST_TEXT = 2**31 - 1
"""Bytes that one array of texts holds."""
NOTHING = 0
"""Stands for None where values are told apart by digests."""


@dataclass(frozen=True)
class Manifest:
    """The rows that an ingest found usable, in the source's order."""

    table: Any
    """pyarrow.Table, or ParquetColumns or InPieces: what has `num_rows`, `column_names` and gives columns by name."""

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """What `write` wrote. Raises ArtifactError where it is not there or no manifest."""
        if not path.exists():
            raise ArtifactError(f"{path} is not there. Run `dvc repro`, or `mm stage ingest`, which writes it.")
        try:
            return cls(ParquetColumns(path))
        except (pa.ArrowInvalid, OSError) as error:
            raise ArtifactError(f"{path} is no manifest: {error}. Run `mm stage ingest` again.") from error

    def write(self, path: Path) -> None:
        """Write a Parquet file; the same rows give the same bytes."""
        write_parquet(path, self.table)

    def with_splits(self, splits: np.ndarray) -> "Manifest":
        """The same rows with other splits. splits: [rows] of texts."""
        table = table_of(self.table)
        return Manifest(table.set_column(self.columns.index("split"), "split", from_cells(splits.tolist(), str)))

    def taken(self, rows: Sequence[int]) -> "Manifest":
        """Some of the rows, in the order given."""
        return Manifest(table_of(self.table).take(from_numpy(np.asarray(rows, dtype=np.int64))))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def columns(self) -> list[str]:
        """What there is, in the file's order."""
        return list(self.table.column_names)

    @property
    def ids(self) -> list[str]:
        """The unique name of each row."""
        return self._values("id")

    @property
    def splits(self) -> np.ndarray:
        """[rows] of texts: train, validation or test; of a fold, some that are neither."""
        names = dict[str, int]()
        numbers = (names.setdefault(name, len(names)) for name in self.each("split"))
        each = np.fromiter(numbers, np.int32, len(self))
        found: np.ndarray = np.array([*names], dtype=object)[each]
        return found

    @property
    def groups(self) -> list[str]:
        """The name of each row's group."""
        return self._values("group")

    def group_numbers(self) -> np.ndarray:
        """[rows] int64: equal for rows of one group, counted from 0 in order of appearance."""
        return numbered(self.each("group"), len(self))[0]

    def rows(self, split: str) -> np.ndarray:
        """[n] int64: the rows of a split, in order."""
        assert split in SPLITS, f"{split!r} is no split"
        return np.flatnonzero(self.splits == split)

    def cells(self, field: str) -> list[Cell | None]:
        """A field's cell in each row, None where it is missing."""
        return self._values(field)

    def hashes(self, field: str) -> list[str | None]:
        """The digest of the file that a field points to, in each row; None where there is no file."""
        return self._values(f"hash:{field}")

    @property
    def slices(self) -> dict[str, list[Cell | None]]:
        """The columns that are carried along, by name."""
        names = [name for name in self.columns if name.startswith("slice:")]
        return {name.removeprefix("slice:"): self._values(name) for name in names}

    def column(self, name: str) -> Any:
        """pyarrow.Array. Raises ArtifactError where there is no such column, or where it cannot be read."""
        self._check(name)
        with _whole(name):
            values = self.table[name]
        if values.nbytes > MOST_TEXT and pa.types.is_string(values.type):
            values = values.cast(pa.large_string())
        return values.combine_chunks()

    def pieces(self, column: str) -> Iterator[Any]:
        """The same AT_ONCE rows at a time, some as pyarrow.ChunkedArray; of a file no more than a page is in memory."""
        self._check(column)
        with _whole(column):
            if not isinstance(self.table, pa.Table):
                yield from self.table.pieces(column, AT_ONCE)
                return
            values = self.table[column]
            for start in range(0, len(values), AT_ONCE):
                yield values[start : start + AT_ONCE]

    def each(self, column: str) -> Iterator[Any]:
        """The values of a column one after another."""
        for piece in self.pieces(column):
            yield from piece.to_pylist()

    def _check(self, name: str) -> None:
        if name not in self.columns:
            raise ArtifactError(
                f"The manifest has no column {name!r}. It has: {listing(self.columns)}. Run `mm stage ingest` again."
            )

    def _values(self, column: str) -> list[Any]:
        return list(self.each(column))


@contextmanager
def _whole(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(f"The manifest is damaged in {name!r}: {error}. Run `mm stage ingest` again.") from error


def numbered(values: Iterable[Cell | None], count: int) -> tuple[np.ndarray, np.ndarray]:
    """([count] int64: equal for equal values, counted from 0 in order of appearance, -1 for None; [distinct] int64:
    where each stands first).

    values: of one kind. They are told apart by a digest of 8 bytes: a table of the values themselves takes a tenth of a
    kB for each. Among 10 million the chance that any two different ones are taken for one is 5 in a million.
    """
    digests = np.fromiter(map(_digest, values), np.uint64, count)
    order = digests.argsort(kind="stable")
    digests = digests[order]
    begins = np.append(True, digests[1:] != digests[:-1])[:count]  # of values that are equal the one that stands first
    first, something = order[begins], (digests != NOTHING)[begins]
    del digests
    appears = np.zeros(count, dtype=bool)
    appears[first[something]] = True
    number = np.where(something, (np.cumsum(appears) - 1)[first], -1)
    found = np.empty(count, dtype=np.int64)
    found[order] = np.repeat(number, np.diff(np.append(np.flatnonzero(begins), count)))
    return found, np.flatnonzero(appears)


def _digest(value: Cell | None) -> int:
    """Never NOTHING for what is something."""
    if value is None:
        return NOTHING
    return int.from_bytes(hashlib.blake2b(str(value).encode(), digest_size=8).digest()) | 1


def check_names(fields: Sequence[str]) -> None:
    """Raise ConfigError where a field's name would clash with the manifest's own columns or cannot name a folder."""
    for name in fields:
        if name in RESERVED:
            raise ConfigError(
                f"fields.{name}: {listing(RESERVED)} are the manifest's own columns. Name the field otherwise."
            )
        wrong = [sign for sign in FORBIDDEN if sign in name]
        if wrong or not name.strip():
            raise ConfigError(
                f"fields.{name}: the name of a field may not be blank or hold any of {' '.join(FORBIDDEN)}"
            )


def check_columns(wanted: Wanted, columns: Sequence[str]) -> None:
    """Raise ConfigError where a column that params.yaml names is not among the source's `columns`."""
    named = {f"fields.{name}.column": column for name, column in wanted.fields.items() if isinstance(column, str)}
    for name, several in wanted.fields.items():
        if not isinstance(several, str):
            named |= {f"fields.{name}.column[{n}]": column for n, column in enumerate(several)}
    named |= {f"data.slices[{n}]": column for n, column in enumerate(wanted.slices)}
    single = {"data.id": wanted.id, "data.group": wanted.group, "data.split.column": wanted.split}
    named |= {key: column for key, column in single.items() if column is not None}
    for key, column in named.items():
        if column not in columns:
            raise ConfigError(
                f"{key} is {column!r}, but the source has no such column.{near_miss(column, columns)} "
                f"Columns there are: {listing(columns)}.{in_one_name(columns)}"
            )
