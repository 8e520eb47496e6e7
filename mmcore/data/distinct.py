"""The cells of a field that differ: what is read once, however many rows have it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmcore.data.arrow import from_numpy
from mmcore.data.manifest import Manifest, numbered
from mmcore.interfaces.modality import Cell


class Found(NamedTuple):
    """One of the cells."""

    cell: Cell
    digest: str | None
    """Of the file that it points to, None where it is a value."""

    @property
    def name(self) -> str:
        """What a file is found again by: its content, and its ending, since it may tell how to read it."""
        return "" if self.digest is None else f"{self.digest[:32]}{Path(str(self.cell)).suffix.lower()}"


@dataclass(frozen=True)
class Distinct:
    """Cells that differ, in order of appearance: files by their content, everything else by its value.

    They are walked through in the manifest, as often as one wants, and not held.
    """

    manifest: Manifest
    field: str
    files: bool
    rows: np.ndarray
    """[rows] int64: which of them each row has, -1 where it has none."""
    first: np.ndarray
    """[distinct] int64: the row where each stands first, rising."""

    @classmethod
    def of(cls, manifest: Manifest, field: str) -> "Distinct":
        """Those of a field."""
        files = any(digest is not None for digest in manifest.each(f"hash:{field}"))
        rows, first = numbered(manifest.each(f"hash:{field}" if files else field), len(manifest))
        return cls(manifest, field, files, rows, first)

    def __len__(self) -> int:
        return len(self.first)

    def __iter__(self) -> Iterator[Found]:
        digests = self._walk(f"hash:{self.field}") if self.files else repeat(None)
        return map(Found, self._walk(self.field), digests)

    def _walk(self, column: str) -> Iterator[Any]:
        """A column's values in the rows of `first`."""
        start = 0
        for piece in self.manifest.pieces(column):
            places = self.first[slice(*np.searchsorted(self.first, [start, start + len(piece)]))] - start
            start += len(piece)
            yield from (piece if len(places) == len(piece) else piece.take(from_numpy(places))).to_pylist()
