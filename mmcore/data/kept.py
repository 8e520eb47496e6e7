"""Arrays that an earlier encode wrote: kept beside the outputs, found again by what they were read from."""

# DIGEST.arrow   a shard, as it stood in the store: a hard link of it where the disk allows that
# DIGEST.json    its size and digest, and for each of its arrays the digest of the cell; written last

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count

from mmcore.data.files import sha256_of
from mmcore.data.store import Shard, open_shard
from mmcore.data.writing import cannot_write, write_json
from mmcore.errors import ArtifactError, DataError


class KeptShard:
    """A shard and what its arrays were read from."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        """about: count, bytes, sha256, dtype, shapes (two at most of those that differ), cells."""
        self.path, self.about = path, about
        self.cells: list[str] = about["cells"]

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._arrays[index]

    def nbytes(self, first: int, last: int) -> int:
        """The size of the arrays from `first` up to but not including `last`, without reading them."""
        numbers = int(self._arrays.offsets[last] - self._arrays.offsets[first])
        return numbers * int(np.dtype(self.about["dtype"]).itemsize)

    def whole(self) -> bool:
        """Whether the file holds what was written."""
        try:
            same = self.path.stat().st_size == self.about["bytes"] and sha256_of(self.path) == self.about["sha256"]
            return bool(same)
        except (OSError, DataError):
            return False

    @cached_property
    def _arrays(self) -> Shard:
        return open_shard(self.path, self.about["bytes"], np.dtype(self.about["dtype"]))


class Kept:
    """The shards of one field, of one way to read it. Whoever names the folder answers for the way being the same."""

    def __init__(self, folder: Path, *, grows: bool = True) -> None:
        """folder: made when the first shard is kept; what is damaged in it is passed over. grows: False only looks."""
        self._folder, self._grows = folder, grows
        self._places: dict[str, tuple[KeptShard, int]] = {}
        with ThreadPool(cpu_count()) as pool:  # a digest of each: they are made side by side
            for shard in pool.imap(_opened, sorted(folder.glob("*.json"))):
                if shard is not None:
                    self._places |= {cell: (shard, index) for index, cell in enumerate(shard.cells)}

    def find(self, cell: str) -> tuple[KeptShard, int] | None:
        """The array that was read from a cell of this digest: its shard and its place there."""
        return self._places.get(cell)

    def keep(self, shard: Path, about: Mapping[str, Any], cells: Sequence[str]) -> None:
        """Keep a shard that was just written; what is kept of a store that breaks off serves the next attempt."""
        if not self._grows:
            return
        path = self._folder / f"{about['sha256'][:32]}.arrow"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            link(shard, path)
        except OSError as error:
            raise cannot_write(path, error) from error
        write_json(path.with_suffix(".json"), {**about, "cells": list(cells)})

    def only(self, digests: Sequence[str]) -> None:
        """Forget every shard but those with these digests, and other ways to read the same field."""
        if not self._grows:
            return
        names = {digest[:32] for digest in digests}
        for path in self._folder.glob("*.*"):
            if path.stem not in names:
                path.unlink()
        for other in self._folder.parent.iterdir() if self._folder.parent.is_dir() else ():
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where links cannot be had; `target` is replaced."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _opened(path: Path) -> KeptShard | None:
    """A kept shard; None where it is not whole."""
    try:
        shard = KeptShard(path.with_suffix(".arrow"), json.loads(path.read_text(encoding="utf-8")))
        return shard if shard.whole() and len(shard) == shard.about["count"] else None
    except (OSError, ValueError, KeyError, TypeError, ArtifactError):
        return None
