"""Which rows a model has been trained on, so that it is never judged on them: a short number for each row."""

# A mark is the first 40 bits of a hash, and a row has two of them, its group's among others. Sorted, each takes 3 to
# 5 bytes of the file, the fewer the more there are (50,000 rows: at most 400 kB). That a row is taken for one of a
# million others has a chance of 1 in a million, and then it is only left out.

import hashlib
from collections.abc import Iterator
from itertools import chain
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


def marks_of(manifest: Manifest, fields: list[str]) -> np.ndarray:
    """[rows, 2] int64: by its group, and by what it holds in `fields`; files count by their content."""
    columns = [_contents(manifest, name) for name in sorted(fields)]
    cells = zip(*columns, strict=True) if columns else ((),) * len(manifest)
    pairs = (
        (_mark("group", group), _mark("cells", list(held)))
        for group, held in zip(manifest.each("group"), cells, strict=True)
    )
    return np.fromiter(chain.from_iterable(pairs), np.int64, count=2 * len(manifest)).reshape(-1, 2)


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
    """[rows] bool: the row, or another of its group, is among the known ones. marks: [rows, 2]."""
    if known is None:
        return np.zeros(len(marks), dtype=bool)
    by_mark = np.isin(marks, known)
    return by_mark[:, 0] | by_mark[:, 1]


def _contents(manifest: Manifest, field: str) -> Iterator[Cell | None]:
    for cell, digest in zip(manifest.each(field), manifest.each(f"hash:{field}"), strict=True):
        yield compared(cell) if digest is None else digest


def _mark(kind: str, value: object) -> int:
    return int.from_bytes(hashlib.sha256(f"{kind}\0{json_text(value)}".encode()).digest()[:5], "big")
