"""The array store: what `read` gave, memory-mapped, addressed by manifest row."""

# store.json     what is there: dtype, the common shape if there is one, the shards with their digests; written last
# 00000.arrow    a shard: `values` (the numbers of each array, flat) and `shape`
# index.arrow    `slot`: manifest row -> which array, -1 where the row has none
# broken.jsonl   cells that could not be read

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmcore.data.arrow import to_numpy
from mmcore.errors import ArtifactError
from mmcore.interfaces.block import Block

FORMAT = 1


@dataclass(frozen=True)
class Shard:
    """The arrays of one file, as views into its memory map."""

    values: np.ndarray
    """[all numbers of all arrays]"""
    offsets: np.ndarray
    """[arrays + 1] int64: where each starts in `values`."""
    shapes: np.ndarray
    """[all axes of all arrays] int64"""
    shape_offsets: np.ndarray
    """[arrays + 1]: where each starts in `shapes`."""

    def __getitem__(self, index: int) -> np.ndarray:
        start, stop = self.offsets[index], self.offsets[index + 1]
        shape = self.shapes[self.shape_offsets[index] : self.shape_offsets[index + 1]]
        return self.values[start:stop].reshape(tuple(shape))

    @property
    def lengths(self) -> np.ndarray:
        """[arrays] along the first axis; 1 for single numbers."""
        axes, at = np.append(self.shapes, 1), self.shape_offsets
        return np.where(np.diff(at) > 0, axes[at[:-1]], 1)

    def fixed(self, shape: Sequence[int]) -> np.ndarray:
        """[arrays, *shape] where every array has that shape."""
        return self.values.reshape(len(self.offsets) - 1, *shape)


class Store:
    """A folder that a StoreWriter finished. Nothing is read before it is asked for; opening costs milliseconds."""

    def __init__(self, folder: Path) -> None:
        """Raises ArtifactError where the folder is unfinished, cut short, or of another format."""
        self.folder = folder
        self.about = _read_about(folder)
        self.shape: tuple[int, ...] | None = None if self.about["shape"] is None else tuple(self.about["shape"])
        """The shape of every array, None where they differ or there is none."""
        self.dtype: np.dtype[Any] | None = None if self.about["dtype"] is None else np.dtype(self.about["dtype"])
        self._slots = to_numpy(_open(folder / "index.arrow", self.about["index"]["bytes"])["slot"])
        self._starts = np.cumsum([0, *(shard["count"] for shard in self.about["shards"])])
        self._shards: dict[int, Shard] = {}

    def __len__(self) -> int:
        """How many manifest rows there are, those without an array too."""
        return len(self._slots)

    @property
    def slots(self) -> np.ndarray:
        """[rows] which array each row has; -1 where it has none. Rows with the same cell share one."""
        return np.asarray(self._slots)

    @cached_property
    def has(self) -> np.ndarray:
        """[rows] bool: which rows have an array."""
        return np.asarray(self._slots >= 0)

    def __getitem__(self, row: int) -> np.ndarray | None:
        """The array of a row as a read-only view of the file, None where the row has none."""
        slot = int(self._slots[row])
        if slot < 0:
            return None
        number = int(np.searchsorted(self._starts, slot, side="right")) - 1
        return self._shard(number)[slot - int(self._starts[number])]

    @cached_property
    def lengths(self) -> np.ndarray:
        """[rows] how long each row's array is along its first axis, 0 where it has none; no array is read."""
        if self.shape is not None:
            each = np.full(int(self._starts[-1]), self.shape[0] if self.shape else 1, dtype=np.int64)
        else:
            shards = [self._shard(number) for number in range(len(self.about["shards"]))]
            each = np.concatenate([np.zeros(0, dtype=np.int64), *(shard.lengths for shard in shards)])
        found: np.ndarray = np.append(each, 0)[self._slots]  # a slot of -1 is the 0 at the end
        return found

    def take(self, rows: np.ndarray) -> Sequence[np.ndarray | None]:
        """The arrays of many rows, in the order given, as copies that may be written to; a Block where it can be."""
        if self.shape is not None and bool(self.has[rows].all()):
            return self._take_fixed(rows)
        found = (self[row] for row in rows)
        return [None if array is None else array.copy() for array in found]

    def _take_fixed(self, rows: np.ndarray) -> Block:
        """Arrays of one shape, each copied once."""
        assert self.shape is not None, "asked only where there is one"
        slots = self._slots[rows]
        numbers = np.searchsorted(self._starts, slots, side="right") - 1
        places = slots - self._starts[numbers]
        if len(slots) and (numbers == numbers[0]).all():
            return Block(self._shard(int(numbers[0])).fixed(self.shape)[places])
        whole = np.empty((len(slots), *self.shape), self.dtype)
        for at, (number, place) in enumerate(zip(numbers.tolist(), places.tolist(), strict=True)):
            whole[at] = self._shard(number)[place]
        return Block(whole)

    def _shard(self, number: int) -> Shard:
        if number not in self._shards:
            about = self.about["shards"][number]
            assert self.dtype is not None, "a store with a shard has arrays"
            self._shards[number] = open_shard(self.folder / about["file"], about["bytes"], self.dtype)
        return self._shards[number]


def open_shard(path: Path, size: int, dtype: np.dtype[Any]) -> Shard:
    """A shard's file, mapped. Raises ArtifactError where it is not of `size` bytes."""
    batch = _open(path, size)
    values, shapes = batch["values"], batch["shape"]
    return Shard(
        to_numpy(values.values).view(dtype),
        to_numpy(values.offsets),
        to_numpy(shapes.values),
        to_numpy(shapes.offsets),
    )


def _read_about(folder: Path) -> dict[str, Any]:
    mend = "Run `dvc repro`, which writes it anew."
    try:
        about: dict[str, Any] = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no finished array store. {mend}") from error
    except ValueError as error:
        raise ArtifactError(f"{folder / 'store.json'} is not readable: {error}. {mend}") from error
    if about.get("format") != FORMAT:
        raise ArtifactError(f"{folder} has format {about.get('format')}, this version reads {FORMAT}. {mend}")
    return about


def _open(path: Path, size: int) -> Any:
    """The one record batch of an Arrow file, mapped. Raises ArtifactError where it is not of `size` bytes."""
    found = path.stat().st_size if path.exists() else 0
    if found != size:
        raise ArtifactError(f"{path} has {found} bytes instead of {size}. Run `dvc repro`, which writes it anew.")
    with pa.memory_map(str(path)) as file:  # closing gives the handle back; the map lives as long as its arrays
        return pa.ipc.open_file(file).get_batch(0)
