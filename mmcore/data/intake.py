"""From a source's row to a sample: its id, its cells, and what its files hold."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmcore.data.cells import Columns, cell_of, compared, name_of
from mmcore.data.duplicates import Key
from mmcore.data.files import locate, sha256_of
from mmcore.data.lookup import Lookup
from mmcore.data.quarantine import Broken
from mmcore.data.split import Split, declared_split
from mmcore.data.writing import json_text, whole_letters
from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import BrokenRow, Row

CUT = "holds half of a sign, as a text does that was cut in the middle of an emoji"


@dataclass(frozen=True)
class Wanted:
    """Which of a source's columns are read, and as what."""

    fields: Mapping[str, Columns]
    """Field -> column, or several that become one cell."""
    files: frozenset[str] = frozenset()
    """Fields whose cells are paths."""
    inputs: frozenset[str] = frozenset()
    """Fields that a model looks at; the others are targets."""
    id: str | None = None
    group: str | None = None
    split: str | None = None
    slices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the source that can be used so far."""

    id: str
    cells: Mapping[str, Cell | None]
    """Field -> value or path."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Field -> sha256 of its file, for fields whose cells are paths."""
    group: str = ""
    keys: Mapping[str, Key] = field(default_factory=dict)
    """What it shares with other rows."""
    declared: Split | None = None
    """What the split column says."""
    slices: Mapping[str, Cell | None] = field(default_factory=dict)


class Intake:
    """Takes rows in order; remembers ids and the files it has seen."""

    def __init__(self, wanted: Wanted, base: Path) -> None:
        """base: where relative paths start."""
        self._wanted = wanted
        self._base = base.resolve()
        self._numbers, self._hashes = Lookup(), Lookup()

    def take(self, number: int, row: Row) -> Sample | Broken:
        """The sample of a row, or why it cannot be used. number: counted from 0; the id where no column gives one."""
        wanted = self._wanted
        given = str(number) if wanted.id is None else cell_of(row, wanted.id)
        if given is None:
            return Broken(f"row {number}", f"it has no id in column {wanted.id!r}")
        name = name_of(given)
        if _is_cut(name):
            return Broken(whole_letters(name), f"its id {CUT}")
        if wanted.id is not None:
            if (elder := self._numbers.get(name)) is not None:
                return Broken(name, f"duplicate id: row {elder} of the source has it already")
            self._numbers.put(name, said=number)
        if isinstance(row, BrokenRow):
            return Broken(name, row.reason)
        cells = {key: cell_of(row, column) for key, column in sorted(wanted.fields.items())}
        if wanted.inputs and all(cells[key] is None for key in wanted.inputs):
            return Broken(name, f"nothing to look at: {', '.join(sorted(wanted.inputs))} missing")
        cut = self._cut(name, row, cells)
        if cut is not None:
            return cut
        at: tuple[str | None, Cell | None] = (None, None)
        try:
            hashes = dict[str, str]()
            for key in sorted(wanted.files):
                if (cell := cells[key]) is not None:
                    at = (key, cell)
                    hashes[key] = self._hash(str(cell))
            at = (None, None if wanted.split is None else cell_of(row, wanted.split))
            declared = None if wanted.split is None else declared_split(at[1])
        except DataError as error:
            return Broken(name, str(error), field=at[0], cell=at[1])
        group, keys = self._kin(name, row, cells=cells, hashes=hashes, declared=declared)
        slices = {key: cell_of(row, key) for key in wanted.slices}
        return Sample(name, cells, hashes=hashes, group=group, keys=keys, declared=declared, slices=slices)

    def _cut(self, name: str, row: Row, cells: Mapping[str, Cell | None]) -> Broken | None:
        """Where one of the texts that are kept of a row cannot be written: the row, with that text made readable."""
        for key, cell in cells.items():
            if _is_cut(cell):
                return Broken(name, f"it {CUT}", field=key, cell=whole_letters(str(cell)))
        for column in (self._wanted.group, self._wanted.split, *self._wanted.slices):
            if column is not None and _is_cut(cell := cell_of(row, column)):
                return Broken(name, f"its column {column!r} {CUT}: {whole_letters(str(cell))!r}")
        return None

    def _hash(self, cell: str) -> str:
        digest = self._hashes.get(cell)
        if digest is None:
            digest = sha256_of(locate(cell, self._base))
            self._hashes.put(cell, said=digest)
        return str(digest)

    def _kin(
        self,
        name: str,
        row: Row,
        *,
        cells: Mapping[str, Cell | None],
        hashes: Mapping[str, str],
        declared: Split | None,
    ) -> tuple[str, dict[str, Key]]:
        """The group of a row, and what ties it to others.

        Files tie always. Equal values tie only where no group is given: two people who write the same word are no
        duplicates of each other. They do not tie over the borders of a split column, which has the last word there.
        """
        wanted = self._wanted
        seen = {key: digest for key, digest in hashes.items() if key in wanted.inputs}
        keys: dict[str, Key] = {key: ("file", digest) for key, digest in seen.items()}
        given = None if wanted.group is None else cell_of(row, wanted.group)
        if given is not None:
            group = name_of(given)
            return group, {"group": ("group", group), **keys}
        if seen:
            return next(iter(seen.values())) if len(seen) == 1 else _digest(list(seen.values())), keys
        if not wanted.inputs:
            return name, keys
        content = _digest([compared(cells[key]) for key in sorted(wanted.inputs)])
        return (content if wanted.id is None else name), {"content": ("cells", f"{declared}:{content}")}


def _digest(values: list[Cell | None]) -> str:
    return hashlib.sha256(json_text(values).encode()).hexdigest()


def _is_cut(cell: Cell | None) -> bool:
    """Whether a text holds half of a sign: JSON can say it, and no file can hold it."""
    if not isinstance(cell, str) or cell.isascii():
        return False
    try:
        cell.encode()
    except UnicodeEncodeError:
        return True
    return False
