"""Writing an array store: shards in order, each distinct array once, `store.json` last."""

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from mmcore.data.arrow import from_numpy
from mmcore.data.kept import Kept, KeptShard, link
from mmcore.data.quarantine import Broken, write_broken
from mmcore.data.store import FORMAT
from mmcore.data.waiting import Waiting
from mmcore.data.writing import cannot_write, whole_file, write_json
from mmcore.errors import BuildError

SHARD_BYTES = 64 * 2**20
"""Small enough that rows which are added at the end leave most shards, and their copies in a cache, as they are."""

SMALL = 2**20
"""Bytes up to which a piece is hashed first and then written, without a thread that does both at once."""


class StoreWriter:
    """Takes arrays one by one. A store that was not finished cannot be opened.

    The same arrays give the same bytes, wherever they come from; arrays that follow leave all full shards as they were.
    """

    def __init__(self, folder: Path, *, kept: Kept | None = None, shard_bytes: int = SHARD_BYTES) -> None:
        """folder: made where it is not there; a store that it holds is taken away. kept: where shards are kept too."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / "store.json", folder / "broken.jsonl", *folder.glob("*.arrow")):
            path.unlink(missing_ok=True)
        self._folder, self._kept, self._shard_bytes = folder, kept, shard_bytes
        self._waiting, self._cells = Waiting(), list[str]()
        self._followed: KeptShard | None = None
        self._done = 0
        self._shards = list[dict[str, Any]]()
        self._shapes = set[tuple[int, ...]]()
        self._dtype: np.dtype[Any] | None = None
        self._count = 0

    def add(self, array: np.ndarray, *, cell: str = "") -> int:
        """Store an array and return its slot. cell: the digest of what it was read from, where shards are kept.

        Raises BuildError where its dtype is not that of those before.
        """
        self._settle(array.nbytes)
        self._append(array, cell)
        return self._next()

    def take_over(self, shard: KeptShard, index: int) -> int:
        """As `add`, of an array that an earlier store had: where a whole shard comes again, no array of it is read."""
        if self._followed is shard and self._done == index:
            self._done += 1
            return self._next()
        self._settle(shard.nbytes(index, index + 1))
        if index == 0 and not len(self._waiting):
            self._followed, self._done = shard, 1
        else:
            self._append(shard[index], shard.cells[index])
        return self._next()

    def finish(
        self, slots: np.ndarray, *, broken: Iterable[Broken] = (), about: Mapping[str, Any] | None = None
    ) -> None:
        """Write the index and make the store whole.

        slots: [manifest rows] the slot of each row, -1 where it has none. about: more to write into store.json.
        """
        self._settle(self._shard_bytes + 1)
        if len(self._waiting):
            self._flush()
        index = pa.record_batch({"slot": from_numpy(np.asarray(slots, dtype=np.int64))})
        broken = list(broken)
        write_broken(self._folder / "broken.jsonl", broken)
        shape = next(iter(self._shapes)) if len(self._shapes) == 1 else None
        found = {
            "format": FORMAT,
            "dtype": None if self._dtype is None else self._dtype.str,
            "shape": None if shape is None else list(shape),
            "arrays": self._count,
            "rows": len(slots),
            "broken": len(broken),
            "shards": self._shards,
            "index": write_batch(self._folder / "index.arrow", index),
        }
        write_json(self._folder / "store.json", {**(about or {}), **found})
        if self._kept is not None:
            self._kept.only([shard["sha256"] for shard in self._shards])

    def _next(self) -> int:
        self._count += 1
        return self._count - 1

    def _settle(self, nbytes: int) -> None:
        """Decide about the shard that is followed, before something else of `nbytes` comes.

        It comes again as it was if all of it came and what is next does not fit into it.
        """
        shard, self._followed = self._followed, None
        if shard is None:
            return
        if self._done == len(shard) and shard.nbytes(0, len(shard)) + nbytes > self._shard_bytes:
            self._link(shard)
            return
        for index in range(self._done):
            self._append(shard[index], shard.cells[index])

    def _append(self, array: np.ndarray, cell: str) -> None:
        self._check(array.dtype)
        if len(self._waiting) and self._waiting.nbytes + array.nbytes > self._shard_bytes:
            self._flush()
        self._waiting.append(array)
        if self._kept is not None:
            self._cells.append(cell)
        if len(self._shapes) < 2:
            self._shapes.add(array.shape)

    def _check(self, dtype: np.dtype[Any]) -> None:
        if self._dtype is None:
            self._dtype = _storable(dtype)
        if dtype != self._dtype:
            raise BuildError(
                f"the modality gave an array of {dtype} after one of {self._dtype}: `read` must always give one dtype."
            )

    def _link(self, shard: KeptShard) -> None:
        """A kept shard as the next one."""
        self._check(np.dtype(shard.about["dtype"]))
        self._shapes |= {tuple(shape) for shape in shard.about["shapes"]}
        path = self._folder / f"{len(self._shards):05d}.arrow"
        try:
            link(shard.path, path)
        except OSError as error:
            raise cannot_write(path, error) from error
        self._shards.append({"file": path.name, **{key: shard.about[key] for key in ("count", "bytes", "sha256")}})

    def _flush(self) -> None:
        """Write what is waiting as one shard."""
        waiting = self._waiting
        cells, self._cells = self._cells, []
        path = self._folder / f"{len(self._shards):05d}.arrow"
        written = write_batch(path, waiting.batch())
        self._shards.append({"file": path.name, "count": len(waiting), **written})
        if self._kept is not None:
            shapes = sorted(waiting.shapes)[:2]
            about = {"count": len(waiting), "dtype": str(waiting.dtype), "shapes": shapes, **written}
            self._kept.keep(path, about, cells)
        waiting.clear()


def write_batch(path: Path, batch: Any) -> dict[str, Any]:
    """Write one record batch; returns its size and digest."""
    with whole_file(path) as part, part.open("wb") as file:
        hashed = Hashed(file)
        with pa.ipc.new_file(hashed, batch.schema) as writer:
            writer.write_batch(batch)
        return {"bytes": file.tell(), "sha256": hashed.digest.hexdigest()}


class Hashed(io.RawIOBase):
    """A file to write to that makes its digest on the way: what was written is not read again."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, piece: Any) -> int:
        """piece: bytes, or what lies in memory as they do."""
        if len(piece) < SMALL:
            self.digest.update(piece)
            return self._file.write(piece)
        hashing = Thread(target=self.digest.update, args=(piece,))
        hashing.start()
        try:
            return self._file.write(piece)
        finally:
            hashing.join()


def _storable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Raise BuildError where Arrow has no such numbers."""
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or not dtype.isnative:
        raise BuildError(f"the modality gave an array of {dtype}: `read` must give truth values, integers or floats.")
    return dtype
