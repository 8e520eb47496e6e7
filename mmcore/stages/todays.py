"""Today's rows for a model of another day: each of its fields by the columns that it was made of, not by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mmcore.config.params import Params
from mmcore.data.cells import Columns, cell_of, name_of, names_of
from mmcore.data.column import Column
from mmcore.data.files import locate, sha256_of
from mmcore.data.manifest import RESERVED, Manifest
from mmcore.data.pile import Pile
from mmcore.errors import DataError, listing
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import Source
from mmcore.model.folder import Saved
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import Part
from mmcore.stages.paths import Paths

READS = ("data.source", "data.id", "fields")


@dataclass(frozen=True)
class Made:
    """What the cells of a field are."""

    columns: Columns
    files: bool
    """They are paths, and count by what the files hold."""

    def like(self, other: "Made") -> bool:
        """Whether cells of both can mean the same; in those of several columns stands how each is called."""
        return self.files == other.files and isinstance(self.columns, str) and isinstance(other.columns, str)


@dataclass(frozen=True)
class Today:
    """The rows that there are, and what their fields are made of."""

    manifest: Manifest
    source: Source
    fields: Mapping[str, Made]
    targets: frozenset[str]
    """Those that no model of today looks at."""
    id: str | None
    """The column that names rows; None: they are counted."""

    @classmethod
    def read(cls, params: Params, paths: Paths, plugins: Plugins) -> "Today":
        """What ingest wrote, and what params.yaml says of it."""
        manifest = Manifest.read(paths.manifest)
        source: Source = plugins.source.build(params.get("data.source", Part), where="data.source")
        fields = dict[str, Made]()
        for name, field in params.fields().items():
            modality = plugins.modality.build(field.modality, where=f"fields.{name}.modality")
            if name in manifest.columns:
                fields[name] = Made(field.column, modality.files)
        targets = frozenset(name for name, field in params.fields().items() if field.encoder is None)
        return cls(manifest, source, fields, targets, params.get("data.id", str | None))

    def of(self, saved: Saved, notes: list[str]) -> Manifest:
        """The same rows with the fields of a model, under the names that it knows them by.

        A field is made of the same columns as in training: those of a field of today, whatever that is called, else of
        the source. Where the source has it no longer, today's field of the same name stands for one of a single column.
        What cannot be had so is not there, if it is a target. Raises DataError if the model looks at it: half blind, it
        is no rival.
        """
        made = {name: Made(saved.columns[name], modality.files) for name, modality in saved.modalities.items()}
        called = {name: found for name, one in made.items() if (found := self._called(name, one)) is not None}
        columns = set(self.source.columns()) if called.keys() < made.keys() else set[str]()
        again = {name: made[name] for name in made.keys() - called if set(names_of(made[name].columns)) <= columns}
        for name in sorted(made.keys() - called - again.keys()):
            if name in self.fields and self.fields[name].like(made[name]):
                called[name] = name
                notes.append(f"{_shown(name, made[name])} is taken from {_shown(name, self.fields[name])} today.")
            elif name in saved.model.owners:
                raise DataError(self._absent(name, made[name]))
            else:
                notes.append(f"Today's data lacks {_shown(name, made[name])}, so that it is not judged by it.")
        if called == {name: name for name in made}:
            return self.manifest
        return self._with(called, again)

    def _called(self, name: str, made: Made) -> str | None:
        """Today's field that is made likewise, the one of the same name before others."""
        if self.fields.get(name) == made:
            return name
        return next((other for other, found in self.fields.items() if found == made), None)

    def _absent(self, name: str, made: Made) -> str:
        return (
            f"a model looks at {_shown(name, made)}, which today's data does not have. There is: "
            f"{listing(self.source.columns())}. Judged without it, it would lose to what is no better. Bring it back, "
            "or promote the new model by hand."
        )

    def _with(self, called: Mapping[str, str], again: Mapping[str, Made]) -> Manifest:
        """A manifest of those fields alone, in memory."""
        kept = [*RESERVED, *(name for name in self.manifest.columns if name.startswith("slice:"))]
        columns = {name: self.manifest.column(name) for name in kept}
        for name, today in called.items():
            columns |= {name: self.manifest.column(today), f"hash:{name}": self.manifest.column(f"hash:{today}")}
        for name, cells in self._from_source(again).items():
            hashes = _hashes(cells if again[name].files else [None] * len(cells), self.source.base)
            columns |= {name: _column(cells), f"hash:{name}": _column(hashes)}
        return Manifest(pa.table(columns))

    def _from_source(self, wanted: Mapping[str, Made]) -> dict[str, list[Cell | None]]:
        """The cells of fields that ingest did not keep, by row of the manifest."""
        cells: dict[str, list[Cell | None]] = {name: [None] * len(self.manifest) for name in wanted}
        if not wanted:
            return cells
        place = {name: row for row, name in enumerate(self.manifest.each("id"))}
        for number, row in enumerate(self.source.rows()):
            given = str(number) if self.id is None else cell_of(row, self.id)
            at = None if given is None else place.pop(name_of(given), None)  # of one id the first row counts
            if at is not None:
                for name, made in wanted.items():
                    cells[name][at] = cell_of(row, made.columns)
        if place:
            raise DataError(
                f"the source has no row {next(iter(place))!r} any more. Run `dvc repro`, which reads it anew."
            )
        return cells


def _shown(name: str, made: Made) -> str:
    return f"{name!r} (of {' and '.join(map(repr, names_of(made.columns)))})"


def _hashes(cells: Sequence[Cell | None], base: Path) -> list[Cell | None]:
    """The digest of each cell's file; None also where it cannot be read, which is told where it is looked at."""
    known, base = dict[str, str | None](), base.resolve()
    for cell in {str(cell) for cell in cells if cell is not None}:
        try:
            known[cell] = sha256_of(locate(cell, base))
        except DataError:
            known[cell] = None
    return [None if cell is None else known[str(cell)] for cell in cells]


def _column(cells: list[Cell | None]) -> object:
    column = Column(Pile())
    for cell in cells:
        column.append(cell)
    return column.finish()
