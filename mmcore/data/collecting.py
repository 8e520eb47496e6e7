"""A manifest as it grows, column by column."""

from typing import Any

import pyarrow as pa

from mmcore.data.column import Column
from mmcore.data.intake import Sample, Wanted
from mmcore.data.manifest import Manifest


class Collected:
    """Samples in the source's order; what they hold is kept, they are not."""

    def __init__(self, wanted: Wanted) -> None:
        """wanted: the columns of the manifest follow from it."""
        self._wanted = wanted
        self._ids = Column()
        self._cells = {name: Column() for name in sorted(wanted.fields)}
        self._hashes = {name: Column() for name in sorted(wanted.fields)}
        self._slices = {name: Column() for name in wanted.slices}

    def add(self, sample: Sample) -> None:
        """One more row."""
        self._ids.append(sample.id)
        for name, column in self._cells.items():
            column.append(sample.cells[name])
        for name, column in self._hashes.items():
            column.append(sample.hashes.get(name))
        for name, column in self._slices.items():
            column.append(sample.slices[name])

    def manifest(self, *, groups: Any, splits: Any) -> Manifest:
        """All rows, with the group and the split of each; what was collected is given away.

        groups, splits: pyarrow.Array of texts.
        """
        columns = {"id": self._ids.finish(text=True), "split": splits, "group": groups}
        for name, column in self._cells.items():
            columns[name] = column.finish(text=name in self._wanted.files)
        columns |= {f"hash:{name}": column.finish(text=True) for name, column in self._hashes.items()}
        columns |= {f"slice:{name}": column.finish() for name, column in self._slices.items()}
        return Manifest(pa.table(columns))
