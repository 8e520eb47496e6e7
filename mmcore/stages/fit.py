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


class TrainingCells(Iterable[Cell]):
    """The training cells of some fields, one field after another, without the missing ones.

    A modality may walk through them as often as it wants. A value counts as often as it occurs, a file that many rows
    share only once.
    """

    def __init__(self, manifest: Manifest, fields: Sequence[str], *, files: bool, what: str) -> None:
        """files: whether the cells are paths. what: names the work that is shown."""
        self._manifest, self._fields, self._files, self._what = manifest, fields, files, what
        self._count = sum(1 for _ in self._walk())

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Cell]:
        return track(self._walk(), len(self), what=self._what)

    def _walk(self) -> Iterator[Cell]:
        seen = set[str]()
        for field in self._fields:
            known_by = f"hash:{field}" if self._files else field
            columns = (self._manifest.each(name) for name in (field, known_by, "split"))
            for cell, key, split in zip(*columns, strict=True):
                if cell is None or split != "train" or (self._files and key in seen):
                    continue
                if self._files:
                    seen.add(key)
                yield cell


def run(params: Params, paths: Paths, *, field: str, plugins: Plugins | None = None) -> None:
    """Write fields/FIELD/fit/. Raises DataError where the training split teaches nothing."""
    plugins = plugins or installed()
    key = f"fields.{field}"
    modality: Modality = plugins.modality.build(params.get(f"{key}.modality", Part), where=f"{key}.modality")
    source: Source = plugins.source.build(params.get("data.source", Part), where="data.source")
    columns: tuple[str, ...] = params.get(f"{key}.fit", tuple[str, ...])
    manifest = Manifest.read(paths.manifest)
    cells = TrainingCells(manifest, columns, files=modality.files, what=f"fit {field}")
    fit(modality, cells, source.base, field=field)
    for remark in modality.remarks():
        print(f"fields.{field}: {remark}", flush=True)
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
