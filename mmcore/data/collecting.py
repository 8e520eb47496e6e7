"""A manifest as it grows, column by column."""

from functools import partial

from mmcore.data.column import Column
from mmcore.data.intake import Sample, Wanted
from mmcore.data.manifest import Manifest
from mmcore.data.pieces import InPieces, Pieces
from mmcore.data.pile import Pile


class Collected:
    """Samples in the source's order; what they hold waits in a file, they are not kept."""

    def __init__(self, wanted: Wanted) -> None:
        """wanted: the columns of the manifest follow from it."""
        self._wanted, pile = wanted, Pile()
        self._ids = Column(pile)
        self._cells = {name: Column(pile) for name in sorted(wanted.fields)}
        self._hashes = {name: Column(pile) for name in sorted(wanted.fields)}
        self._slices = {name: Column(pile) for name in wanted.slices}

    def add(self, sample: Sample) -> None:
        """One more row."""
        self._ids.append(sample.id)
        for name, column in self._cells.items():
            column.append(sample.cells[name])
        for name, column in self._hashes.items():
            column.append(sample.hashes.get(name))
        for name, column in self._slices.items():
            column.append(sample.slices[name])

    def manifest(self, *, groups: Pieces, splits: Pieces) -> Manifest:
        """All rows, with the group and the split of each: still in pieces. No row comes after it."""
        columns: dict[str, Pieces] = {"id": _pieces(self._ids, str), "split": splits, "group": groups}
        for name, column in self._cells.items():
            columns[name] = _pieces(column, str if name in self._wanted.files else column.kind())
        columns |= {f"hash:{name}": _pieces(column, str) for name, column in self._hashes.items()}
        columns |= {f"slice:{name}": _pieces(column, column.kind()) for name, column in self._slices.items()}
        return Manifest(InPieces(len(self._ids), columns))


def _pieces(column: Column, kind: type) -> Pieces:
    return partial(column.pieces, kind=kind)
