"""An array store whose shards lie elsewhere, at any fsspec address: S3, HTTP, a mounted folder. Larger than the disk.

What a batch needs is asked for by ranges of bytes, neighbours as one, all at once, and kept in a folder of bounded
size; the order of rows is not changed for it. `mmcore.data.offload` writes such a store.
"""

# store.json, index.arrow, broken.jsonl   as in a store on this disk
# remote.json    the address, and for each shard its file there and where in it the numbers of its arrays begin
# arrays.arrow   for each array how many numbers it has (`size`), its `shape`, and the `crc` of its bytes

import json
import math
import os
import sqlite3
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmcore.data.arrow import to_numpy
from mmcore.data.ranges import Range, cut, joined
from mmcore.data.store import Store
from mmcore.errors import ArtifactError, SetupError
from mmcore.interfaces.block import Block

REMOTE = "remote.json"
TRIES, PAUSE_S = 3, 1.0
TIMEOUT_S = 60.0
"""For what one batch asks for, each time."""
BEGIN = 40  # bytes of a wrong answer, to know it by
CACHE = "MM_REMOTE_CACHE"
CACHE_GB = "MM_REMOTE_CACHE_GB"


def open_store(folder: Path) -> Store:
    """The store of a folder, wherever its shards lie. Raises ArtifactError where it is not whole."""
    return RemoteStore(folder) if (folder / REMOTE).exists() else Store(folder)


class RemoteStore(Store):
    """As `Store`, but arrays are copies of bytes that were fetched. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Raises ArtifactError where the files of this folder do not belong together."""
        super().__init__(folder)
        self._remote: dict[str, Any] = json.loads((folder / REMOTE).read_text(encoding="utf-8"))
        with pa.memory_map(str(folder / "arrays.arrow")) as file:
            table = pa.ipc.open_file(file).get_batch(0)
        self._sizes, self._crcs = to_numpy(table["size"]), to_numpy(table["crc"])
        self._shapes = table["shape"]
        if len(self._sizes) != self._starts[-1]:
            raise ArtifactError(f"{folder} is put together from two stores. Write it anew: mm offload.")
        # Where each array begins among the numbers of its shard.
        ends = np.concatenate([[0], np.cumsum(self._sizes)])
        self._told = False
        self._begins = ends[:-1] - np.repeat(ends[self._starts[:-1]], np.diff(self._starts))

    @property
    def address(self) -> str:
        """Where the shards lie."""
        return str(self._remote["address"])

    @cached_property
    def lengths(self) -> np.ndarray:
        """[rows] how long each row's array is along its first axis, 0 where it has none; nothing is fetched."""
        offsets, axes = to_numpy(self._shapes.offsets), np.append(to_numpy(self._shapes.values), 1)
        each = np.where(np.diff(offsets) > 0, axes[offsets[:-1]], 1)
        found: np.ndarray = np.append(each, 0)[self._slots]
        return found

    def __getitem__(self, row: int) -> np.ndarray | None:
        """The array of a row, None where the row has none."""
        return self.take(np.array([row]))[0]

    def take(self, rows: np.ndarray) -> Sequence[np.ndarray | None]:
        """The arrays of many rows, in the order given, as copies that may be written to; a Block where it can be.

        Raises ArtifactError where the shards are not those that were written, SetupError where they cannot be had.
        """
        slots = self._slots[rows]
        found = self._bytes_of(np.unique(slots[slots >= 0]))
        if self.shape is not None and len(slots) and (slots >= 0).all():
            whole = b"".join(found[slot] for slot in slots.tolist())
            return Block(np.frombuffer(bytearray(whole), self.dtype).reshape(len(slots), *self.shape))
        return [None if slot < 0 else self._array(slot, found[slot]) for slot in slots.tolist()]

    def fetch(self, rows: np.ndarray) -> None:
        """Have the arrays of these rows at hand, for a `take` that comes soon. Raises as `take` does."""
        slots = self._slots[rows]
        self._bytes_of(np.unique(slots[slots >= 0]))

    def _array(self, slot: int, data: bytes) -> np.ndarray:
        return np.frombuffer(bytearray(data), self.dtype).reshape(self._shapes[slot].as_py())

    def _bytes_of(self, slots: np.ndarray) -> dict[int, bytes]:
        """Each array's bytes, from the cache where they are there."""
        # What has no bytes is not asked for: a range of none is an error to some servers.
        found: dict[int, bytes] = {slot: self._kept(slot) if self._sizes[slot] else b"" for slot in slots.tolist()}
        missing = [slot for slot, data in found.items() if data is None]
        for slot, data in zip(missing, self._fetched(missing), strict=True):
            found[slot] = data
            self._keep(slot, data)
        return found

    def _kept(self, slot: int) -> Any:
        """Its bytes; None where they are to be fetched."""
        try:
            return self._cache.get(self._key(slot))
        except _cache_fails() as error:
            self._tell(error)
            return None

    def _keep(self, slot: int, data: bytes) -> None:
        """For the next time. What was fetched is good without it, so that a full disk ends no training."""
        try:
            self._cache.set(self._key(slot), data)
        except _cache_fails() as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            warnings.warn(
                f"Arrays from {self.address} cannot be kept in {self._cache.directory}: {error!r}. They are fetched "
                f"anew in each epoch. Free some disk space, or set {CACHE} to another folder.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _key(self, slot: int) -> tuple[str, int]:
        number, place = self._place(slot)
        return self.about["shards"][number]["sha256"], place

    def _place(self, slot: int) -> tuple[int, int]:
        number = int(np.searchsorted(self._starts, slot, side="right")) - 1
        return number, slot - int(self._starts[number])

    def _fetched(self, slots: Sequence[int]) -> list[bytes]:
        """What the address says, tried again where it stumbles, checked against what was written."""
        if not slots:
            return []
        ranges = [self._range(slot) for slot in slots]
        wholes = joined(ranges)
        answers = self._asked(wholes)
        for whole, answer in zip(wholes, answers, strict=True):
            if len(answer) > len(whole):
                raise SetupError(self._too_much(whole, answer))
            if len(answer) < len(whole):
                raise ArtifactError(self._other(whole, f"not all there: {_what_came(answer)}"))
        found = cut(ranges, wholes, answers)
        for slot, one, data in zip(slots, ranges, found, strict=True):
            if zlib.crc32(data) != self._crcs[slot]:
                raise ArtifactError(self._other(one, "others"))
        return found

    def _range(self, slot: int) -> Range:
        assert self.dtype is not None, "a store with arrays has a type"
        shard = self._remote["shards"][self._place(slot)[0]]
        begin = shard["start"] + int(self._begins[slot]) * self.dtype.itemsize
        return Range(f"{self._root}/{shard['file']}", begin, begin + int(self._sizes[slot]) * self.dtype.itemsize)

    def _too_much(self, asked: Range, answer: bytes) -> str:
        """What is the matter where more came than was asked for."""
        sizes = {f"{self._root}/{shard['file']}": shard["bytes"] for shard in self._remote["shards"]}
        if len(answer) == sizes[asked.file]:
            return (
                f"{self.address} gives whole files where ranges of bytes are asked for: {asked} came as {len(answer)} "
                "bytes. Put the arrays where ranges are given (S3, most web servers): mm offload."
            )
        return (
            f"Something else answers at {self.address}: for {asked} {_what_came(answer)}. Look there with a browser: a "
            "login, or the page of a network, may stand before it."
        )

    def _other(self, asked: Range, how: str) -> str:
        return (
            f"{asked.file} at {self.address} is not what was written there: bytes {asked.start} to {asked.end} are "
            f"{how}. Write it anew: mm offload."
        )

    def _asked(self, ranges: Sequence[Range]) -> list[bytes]:
        files, starts, ends = ([getattr(one, what) for one in ranges] for what in ("file", "start", "end"))

        def ask() -> list[Any]:
            return list(self._system.cat_ranges(files, starts, ends, on_error="return"))

        why: BaseException = TooLate()
        for number in range(TRIES):
            time.sleep(PAUSE_S * number)
            try:
                answers = _within(TIMEOUT_S, ask)
            except Exception as error:
                why = error
                continue
            wrong = next((answer for answer in answers if isinstance(answer, BaseException)), None)
            if wrong is None:
                return answers
            why = wrong
            if isinstance(wrong, FileNotFoundError):
                break
        told = f"it did not answer within {TIMEOUT_S:g} s" if isinstance(why, TooLate) else str(why) or repr(why)
        raise SetupError(
            f"Cannot read the arrays at {self.address}: {told}. Look at the address and the right to read it; `mm "
            "offload` writes them."
        ) from why

    @property
    def _system(self) -> Any:
        return self._opened[0]

    @property
    def _root(self) -> str:
        return str(self._opened[1])

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return file_system(self.address)

    @cached_property
    def _cache(self) -> Any:
        import diskcache

        folder = Path(os.environ.get(CACHE, Path.home() / ".cache" / "mmcore" / "arrays"))
        try:
            # Two are taken out for one that is put in, once there is no room left: it stays full.
            return diskcache.Cache(str(folder), size_limit=int(_cache_gb() * 1e9), cull_limit=2)
        except _cache_fails() as error:
            raise SetupError(
                f"Arrays from elsewhere cannot be kept in {folder}: {error}. Set {CACHE} to a folder that can be "
                "written to."
            ) from error


def _cache_fails() -> tuple[type[Exception], ...]:
    """What the cache raises where its folder is full, gone, read-only, or for a minute in the hands of others."""
    import diskcache

    return OSError, sqlite3.Error, diskcache.Timeout


def _cache_gb() -> float:
    """Raises SetupError where the environment names no size."""
    given = os.environ.get(CACHE_GB, "10")
    try:
        size = float(given)
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise SetupError(f"{CACHE_GB} is {given!r}, but must be a number of gigabytes from 0 on, such as 10 or 0.5.")
    return size


def _what_came(answer: bytes) -> str:
    return f"{len(answer)} bytes came, which begin with {answer[:BEGIN]!r}" if answer else "nothing came"


def _within(limit_s: float, ask: Callable[[], list[Any]]) -> list[Any]:
    """What `ask` gives or raises; TooLate where that takes longer.

    A thread of a ThreadPoolExecutor would be waited for when the process ends, however long the other side is silent.
    """
    answer = Future[list[Any]]()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer.result(limit_s)


def file_system(address: str) -> tuple[Any, str]:
    """The file system behind an address, and the path in it. Raises SetupError where its package is missing."""
    try:
        import diskcache  # noqa: F401  here, so that it is missed at the start
        import fsspec

        return fsspec.url_to_fs(address)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise SetupError(
            f"{address} cannot be used: {error}. For arrays elsewhere: pip install 'mmcore[remote]', and what fsspec "
            "needs for this kind of address."
        ) from error
