"""Whether files still are what ingest saw: their arrays are kept under the digests that it took."""

# To take every digest again costs 5 to 14 % of reading small JPEGs; a look at the clock of each file costs 1 %. That
# clock (ctime) moves with every change, also where a program puts back the time of the content.

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mmcore.data.distinct import Found
from mmcore.data.files import sha256_of
from mmcore.data.writing import write_json
from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell
from mmcore.stages.paths import Paths

T = TypeVar("T")

FILE = "ingested.json"
APART_NS = 5 * 10**9
"""How far the clocks of this machine and of a disk elsewhere may lie apart."""


def note_ingest(paths: Paths, began_ns: int) -> None:
    """Keep when the ingest began that wrote the manifest."""
    write_json(paths.state / FILE, {"began_ns": began_ns, "manifest": sha256_of(paths.manifest)})


def ingest_began(paths: Paths) -> int:
    """When the manifest's ingest began, in time.time_ns(); 0 where it was written elsewhere."""
    try:
        noted = json.loads((paths.state / FILE).read_text(encoding="utf-8"))
        return int(noted["began_ns"]) if noted["manifest"] == sha256_of(paths.manifest) else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def read_unchanged(read: Callable[[Cell], T], *, base: Path, began_ns: int) -> Callable[[Found], T]:
    """`read`, which raises DataError where the digest of a cell's file is not the one that ingest took.

    began_ns: as `ingest_began` gives it; what has not changed since then is not looked into.
    """

    def read_one(found: Found) -> T:
        cell, digest = found
        result = read(cell)
        if digest is not None and not _is_still(base / str(cell), digest, began_ns):
            raise DataError(
                f"{cell} is not what it was when `mm stage ingest` read it: it was changed or taken away meanwhile. "
                "Run again once the data is at rest: dvc repro"
            )
        return result

    return read_one


def _is_still(path: Path, digest: str, began_ns: int) -> bool:
    try:
        return path.stat().st_ctime_ns < began_ns - APART_NS or sha256_of(path) == digest
    except (OSError, DataError):
        return False
