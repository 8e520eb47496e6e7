"""The cells of a field that differ: what is read once, however many rows have it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from mmcore.data.manifest import Manifest, numbered, values_of
from mmcore.interfaces.modality import Cell


class Cells(Sequence[Cell]):
    """Cells that become Python's only when they are looked at."""

    def __init__(self, column: Any) -> None:
        """column: pyarrow.Array without nulls."""
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | list[Cell]:
        if isinstance(index, slice):
            found: list[Cell] = self._column[index].to_pylist()
            return found
        cell: Cell = self._column[index].as_py()
        return cell

    def __iter__(self) -> Iterator[Cell]:
        return values_of(self._column)

    def at(self, places: np.ndarray) -> "Cells":
        """Those at some places, in rising order."""
        return self if len(places) == len(self) else Cells(self._column.take(places))


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
        cells, digests = manifest.column(field), manifest.column(f"hash:{field}")
        files = digests.null_count < len(digests)
        rows, first = numbered(values_of(digests if files else cells), len(cells))
        return cls(Cells(cells).at(first), rows, Cells(digests).at(first) if files else None)

    def name(self, number: int) -> str:
        """What a file is found again by: its content, and its ending, since it may tell how to read it."""
        if self.digests is None:
            return ""
        return f"{str(self.digests[number])[:32]}{Path(str(self.cells[number])).suffix.lower()}"
