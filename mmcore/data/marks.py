"""Which rows a model has been trained on, so that it is never judged on them: a short number for each row."""

# A mark is the first 40 bits of a hash, and a row has a few of them, its group's among others. Sorted, each takes 3 to
# 5 bytes of the file, the fewer the more there are (50,000 rows of two marks: at most 400 kB). That a row is taken for
# one of a million others has a chance of 1 in a million, and then it is only left out.

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmcore.data.arrow import from_numpy, to_numpy
from mmcore.data.cells import compared
from mmcore.data.manifest import Manifest
from mmcore.data.parquet import read_parquet, write_parquet
from mmcore.data.writing import json_text
from mmcore.errors import ArtifactError, fetched_anew
from mmcore.interfaces.modality import Cell

FILE = "trained_on.parquet"
SEEN = ("train", "validation")
"""Splits that a training looks at: the second one decides which epoch is kept."""


def marks_of(manifest: Manifest, fields: list[str], *, named: bool = True) -> np.ndarray:
    """[rows, marks] int64: by its group, by what it holds in `fields`, by each file among them, and by its id.

    Files count by their content, also alone: with other fields beside it, or in another group, a picture is still the
    same one. named: False: ids merely count the rows, and say nothing.
    """
    count = len(manifest)
    columns = [_contents(manifest, name) for name in sorted(fields)]
    cells = zip(*columns, strict=True) if columns else ((),) * count
    found = [_marks("group", manifest.each("group"), count), _marks("cells", map(list, cells), count)]
    for name in sorted(fields):
        if manifest.column(f"hash:{name}").null_count < count:
            # What a file holds is the name of its row's group, where it is alone and no column names groups.
            digests = enumerate(manifest.each(f"hash:{name}"))
            marks = (found[0][row] if digest is None else _mark("group", digest) for row, digest in digests)
            found.append(np.fromiter(marks, np.int64, count))
    if named:
        found.append(_marks("id", manifest.each("id"), count))
    return np.stack(found, axis=1)


def write_marks(folder: Path, marks: np.ndarray) -> None:
    """Write trained_on.parquet into a model folder; the same rows give the same bytes."""
    table = pa.table({"mark": from_numpy(np.unique(marks))})
    write_parquet(folder / FILE, table, packed=["mark"])


def read_marks(folder: Path) -> np.ndarray | None:
    """[n] the sorted marks of a model folder; None where an older mmcore wrote it, which kept none."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return to_numpy(read_parquet(path)["mark"].combine_chunks())
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}). {fetched_anew(path)}") from error


def seen(marks: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """[rows] bool: the row, or another of its group or with its file, is among the known ones. marks: [rows, marks]."""
    if known is None:
        return np.zeros(len(marks), dtype=bool)
    return np.asarray(np.isin(marks, known).any(axis=1))


def _contents(manifest: Manifest, field: str) -> Iterator[Cell | None]:
    for cell, digest in zip(manifest.each(field), manifest.each(f"hash:{field}"), strict=True):
        yield compared(cell) if digest is None else digest


def _marks(kind: str, values: Iterable[object], count: int) -> np.ndarray:
    return np.fromiter((_mark(kind, value) for value in values), np.int64, count)


def _mark(kind: str, value: object) -> int:
    return int.from_bytes(hashlib.sha256(f"{kind}\0{json_text(value)}".encode()).digest()[:5], "big")
