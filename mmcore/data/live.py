"""A field's arrays, read from its cells when they are asked for: a store for the modality of another model."""

from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell, Modality

THREADS = 4


class LiveArrays:
    """The cells of every manifest row through one modality; equal cells of one batch are read once."""

    def __init__(
        self,
        modality: Modality,
        cells: Sequence[Cell | None],
        base: Path,
        *,
        forgiving: bool = False,
        needs_files: bool = True,
        who: str = "a model",
    ) -> None:
        """base: where relative paths start. forgiving: a cell that cannot be read is as if it were missing, but for a
        file that is gone where one `needs_files`. who: cannot read it, in a message.
        """
        self._modality, self._cells, self._base = modality, cells, base
        self._forgiving, self._needs_files, self._who = forgiving, needs_files, who
        self.refused = set[int]()
        """Rows whose cell could not be read, and which counted as missing."""

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def lengths(self) -> np.ndarray:
        """[rows] the first size of each row's array, 0 where it has none; reads every cell."""
        arrays = self.take(np.arange(len(self)))
        return np.array([0 if array is None else len(np.atleast_1d(array)) for array in arrays], dtype=np.int64)

    def take(self, rows: np.ndarray) -> list[np.ndarray | None]:
        """The arrays of these rows, None where a row has none. Raises DataError that names a cell it cannot read."""
        cells = [self._cells[row] for row in rows.tolist()]
        wanted = list(dict.fromkeys(cell for cell in cells if cell is not None))
        if self._modality.files and len(wanted) > 1:
            with ThreadPool(THREADS) as pool:
                read = pool.map(self._read, wanted)
        else:
            read = [self._read(cell) for cell in wanted]
        found = dict(zip(wanted, read, strict=True))
        refused = {cell for cell, array in found.items() if array is None}
        self.refused |= {row for row, cell in zip(rows.tolist(), cells, strict=True) if cell in refused}
        return [None if cell is None else found[cell] for cell in cells]

    def _read(self, cell: Cell) -> np.ndarray | None:
        try:
            return self._modality.read(cell, self._base)
        except DataError as error:
            gone = self._modality.files and not (self._base / str(cell)).exists()
            if self._forgiving and not (gone and self._needs_files):
                return None
            hint = " Bring the file back, or run `dvc repro`, which puts it aside." if self._modality.files else ""
            why = str(error).removesuffix(".")
            raise DataError(f"{self._who} cannot read {str(cell)[:80]!r} of a row that counts: {why}.{hint}") from error
