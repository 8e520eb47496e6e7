"""encode@FIELD: every distinct cell read once, into an array store."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from joblib import cpu_count

from mmcore.config.params import Params
from mmcore.data.distinct import Distinct, Found
from mmcore.data.kept import Kept
from mmcore.data.manifest import Manifest
from mmcore.data.quarantine import Broken
from mmcore.data.storing import StoreWriter
from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell, Modality
from mmcore.interfaces.source import Source
from mmcore.model.folder import load_modality
from mmcore.registry.plugins import Plugins, installed
from mmcore.registry.settings import Part
from mmcore.runtime.progress import track
from mmcore.stages.fingerprint import way_of_reading
from mmcore.stages.paths import Paths
from mmcore.stages.unchanged import ingest_began, read_unchanged

READS = ("data.source", "fields.{field}.modality", "fields.{field}.package")

AHEAD = 256
"""How many files are read before what they gave is written: bounds the memory."""

C = TypeVar("C")
R = TypeVar("R")

Read = Callable[[Cell], "np.ndarray | str"]
"""A cell to its array, or to the reason why there is none."""


def run(params: Params, paths: Paths, *, field: str, plugins: Plugins | None = None) -> None:
    """Write fields/FIELD/store/: the arrays, which row has which, and the cells that could not be read.

    Files that the last run read in the same way are not read again: their arrays are kept beside the checkpoints. The
    output is the same to the byte.
    """
    plugins = plugins or installed()
    part = params.get(f"fields.{field}.modality", Part)
    modality = load_modality(paths.fit(field), part, field=field, plugins=plugins)
    source: Source = plugins.source.build(params.get("data.source", Part), where="data.source")
    manifest = Manifest.read(paths.manifest)
    distinct, kept = Distinct.of(manifest, field), None
    if modality.files:  # values are read as fast as they would be found again
        way = way_of_reading(modality, part, fit=paths.fit(field), plugins=plugins)
        kept = Kept(paths.state / "encoded" / field / way, grows=paths.prepared == Paths.prepared)
    torch.set_num_threads(1)  # files are read side by side, each by a thread of its own
    unread = (one for one in distinct if kept is None or kept.find(one.name) is None)
    results = read_cells(unread, modality=modality, base=source.base, began_ns=ingest_began(paths))
    writer = StoreWriter(paths.store(field), kept=kept)
    slots, reasons = np.full(len(distinct) + 1, -1, dtype=np.int64), dict[int, str]()
    for number, one in enumerate(track(distinct, len(distinct), what=f"encode {field}")):
        if kept is not None and (place := kept.find(one.name)) is not None:
            slots[number] = writer.take_over(*place)
        elif isinstance(result := next(results), str):
            reasons[number] = result
        else:
            slots[number] = writer.add(result, cell=one.name)
    writer.finish(slots[distinct.rows], broken=broken_cells(manifest, field, index=distinct.rows, reasons=reasons))


def read_cells(cells: Iterable[Found], *, modality: Modality, base: Path, began_ns: int) -> Iterator[np.ndarray | str]:
    """What reading gives of cells, in their order. Raises DataError where a file is not what ingest saw."""
    read = read_unchanged(reader(modality, base), base=base, began_ns=began_ns)
    return read_all(cells, read, threads=_threads(modality))


def reader(modality: Modality, base: Path) -> Read:
    """`modality.read` that gives a reason, free of absolute paths, in place of raising it."""

    def read(cell: Cell) -> np.ndarray | str:
        try:
            return modality.read(cell, base)
        except DataError as error:
            return without_base(str(error), cell, base=base)
        except Exception as error:
            error.add_note(f"While reading {cell!r}. A cell that cannot be read must raise DataError.")
            raise

    return read


def without_base(reason: str, cell: Cell, *, base: Path) -> str:
    """A reason that is the same on every machine, and does not say again which cell it is about."""
    for start in (base, base.resolve()):
        reason = reason.replace(str(start / str(cell)), str(cell))
    return reason.removeprefix(f"{cell}: ")


def read_all(cells: Iterable[C], read: Callable[[C], R], *, threads: int) -> Iterator[R]:
    """What `read` makes of each cell, in order; at most AHEAD of them wait to be taken.

    A thread takes a few cells at a time: of more, the last would be read by one thread while the others have none.

    Reading goes on while what was read is written. Processes in place of threads were tried: decoders let other
    threads run, and two cores gained nothing that would pay for a second of starting each.
    """
    if threads == 1:
        yield from map(read, cells)
        return
    size = max(1, min(8, AHEAD // (2 * threads)))
    cells = iter(cells)
    parts = iter(lambda: list(islice(cells, size)), [])
    with ThreadPool(threads) as pool:
        waiting = deque(pool.map_async(read, part, chunksize=size) for part in islice(parts, max(1, AHEAD // size)))
        while waiting:
            yield from waiting.popleft().get()
            waiting += [pool.map_async(read, part, chunksize=size) for part in islice(parts, 1)]


def broken_cells(manifest: Manifest, field: str, *, index: np.ndarray, reasons: dict[int, str]) -> list[Broken]:
    """A line for each row whose cell could not be read."""
    if not reasons:
        return []
    ids, cells = manifest.ids, manifest.cells(field)
    rows = np.flatnonzero(np.isin(index, list(reasons)))
    return [Broken(ids[row], reasons[int(index[row])], field=field, cell=cells[row], row=int(row)) for row in rows]


def _threads(modality: Modality) -> int:
    """Decoders of files let other threads run; for values the handing over costs more than it gains."""
    return min(8, cpu_count()) if modality.files else 1
