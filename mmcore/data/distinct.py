"""The cells of a field that differ: what is read once, however many rows have it."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np

from mmcore.data.arrow import from_numpy
from mmcore.data.manifest import Manifest, numbered
from mmcore.interfaces.modality import Cell


class Cells(Sequence[Cell]):
    """Cells that become Python's only when they are looked at."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        """pieces: pyarrow.Arrays, chunked or not, without nulls."""
        self._pieces = [piece for piece in pieces if len(piece)]
        self._ends = [0, *accumulate(map(len, self._pieces))]

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | list[Cell]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        piece = bisect_right(self._ends, index) - 1
        cell: Cell = self._pieces[piece][index - self._ends[piece]].as_py()
        return cell

    def __iter__(self) -> Iterator[Cell]:
        for piece in self._pieces:
            yield from piece.to_pylist()

    def at(self, places: np.ndarray) -> "Cells":
        """Those at some places, in rising order."""
        return self if len(places) == len(self) else Cells(_at(self._pieces, places))


def _at(pieces: Iterable[Any], places: np.ndarray) -> Iterator[Any]:
    """Of each piece what lies at some places of all, which rise."""
    start = 0
    for piece in pieces:
        first, last = np.searchsorted(places, [start, start + len(piece)])
        here = places[first:last] - start
        yield piece if len(here) == len(piece) else piece.take(from_numpy(here))
        start += len(piece)


@dataclass(frozen=True)
class Distinct:
    """Cells that differ, in order of appearance: files by their content, everything else by its value."""

    cells: Cells
    rows: np.ndarray
    """[rows] int64: which of them each row has, -1 where it has none."""
    digests: Cells | None
    """Of files: of the content of each."""

    @classmethod
    def of(cls, manifest: Manifest, field: str) -> "Distinct":
        """Those of a field."""
        files = any(digest is not None for digest in manifest.each(f"hash:{field}"))
        rows, first = numbered(manifest.each(f"hash:{field}" if files else field), len(manifest))
        cells = Cells(_at(manifest.pieces(field), first))
        return cls(cells, rows, Cells(_at(manifest.pieces(f"hash:{field}"), first)) if files else None)

    def name(self, number: int) -> str:
        """What a file is found again by: its content, and its ending, since it may tell how to read it."""
        if self.digests is None:
            return ""
        return f"{str(self.digests[number])[:32]}{Path(str(self.cells[number])).suffix.lower()}"
