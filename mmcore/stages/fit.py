"""fit@FIELD: what a modality learns of the training split."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mmcore.config.params import Params
from mmcore.data.manifest import Manifest
from mmcore.data.writing import cannot_write
from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell, Modality
from mmcore.interfaces.source import Source
from mmcore.registry.plugins import Plugins, installed
from mmcore.registry.settings import Part
from mmcore.runtime.progress import track
from mmcore.stages.paths import Paths

READS = ("data.source", "fields.{field}.modality", "fields.{field}.fit", "fields.{field}.package")


class Cells(Iterable[Cell]):
    """Cells to learn from, as often as a modality wants to walk through them."""

    def __init__(self, cells: Sequence[Cell], what: str) -> None:
        self._cells, self._what = cells, what

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[Cell]:
        return track(self._cells, len(self._cells), what=self._what)


def run(params: Params, paths: Paths, *, field: str, plugins: Plugins | None = None) -> None:
    """Write fields/FIELD/fit/. Raises DataError where the training split teaches nothing."""
    plugins = plugins or installed()
    key = f"fields.{field}"
    modality: Modality = plugins.modality.build(params.get(f"{key}.modality", Part), where=f"{key}.modality")
    source: Source = plugins.source.build(params.get("data.source", Part), where="data.source")
    columns: tuple[str, ...] = params.get(f"{key}.fit", tuple[str, ...])
    manifest = Manifest.read(paths.manifest)
    cells = training_cells(manifest, columns, files=modality.files)
    fit(modality, Cells(cells, f"fit {field}"), source.base, field=field)
    save(modality, paths.fit(field))


def fit(modality: Modality, cells: Iterable[Cell], base: Path, *, field: str) -> None:
    """Fit, and let an error name the field."""
    try:
        modality.fit(cells, base)
    except DataError as error:
        raise DataError(f"fields.{field} cannot be fitted: {error}") from error


def save(modality: Modality, folder: Path) -> None:
    """Write what was learned into a folder that holds nothing else."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        modality.save(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error


def training_cells(manifest: Manifest, fields: Sequence[str], *, files: bool) -> list[Cell]:
    """The training cells of some fields, one field after another, without the missing ones.

    A value counts as often as it occurs, a file that many rows share only once.
    """
    found, seen = list[Cell](), set[str | None]()
    for field in fields:
        cells, hashes = manifest.cells(field), manifest.hashes(field)
        for row in manifest.rows("train"):
            cell, digest = cells[row], hashes[row]
            if cell is None or (files and digest in seen):
                continue
            seen.add(digest)
            found.append(cell)
    return found
