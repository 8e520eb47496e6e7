"""A store's shards, put at an fsspec address; what is left to read them by is small."""

import shutil
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmcore.data.arrow import to_numpy
from mmcore.data.remote import REMOTE, RemoteStore, file_system
from mmcore.data.store import Store
from mmcore.data.storing import write_batch
from mmcore.data.writing import write_json
from mmcore.errors import ArtifactError, SetupError

Track = Callable[[Iterable[Any]], Iterable[Any]]


def offload(store: Path, address: str, target: Path, *, track: Track = tuple) -> int:
    """Put the shards of a store at `address`, named by their content, and into `target` what reads them from there.

    address: a folder on this disk is noted with its whole path, since `target` is read from elsewhere. A shard that
    lies there already, of the same size, is not sent again. Returns how many bytes were sent. track: shows how far it
    has come.
    Raises ArtifactError where the store is not whole or lies elsewhere already, SetupError where the address cannot be
    written to.
    """
    if (store / REMOTE).exists():
        raise ArtifactError(
            f"The arrays of {store} lie elsewhere already: {RemoteStore(store).address}. Offload the project that they "
            "were prepared in."
        )
    opened, address = Store(store), whole_address(address)
    target.mkdir(parents=True, exist_ok=True)
    (target / REMOTE).unlink(missing_ok=True)
    shards, sent = list[dict[str, Any]](), 0
    sizes, crcs, shapes = list[int](), list[int](), list[list[int]]()
    for about in track(opened.about["shards"]):
        path, file = store / about["file"], f"{about['sha256']}.arrow"
        assert opened.dtype is not None, "a store with a shard has arrays"
        start, arrays = read_shard(path, opened.dtype)
        sizes += [array.size for array in arrays]
        crcs += [zlib.crc32(array.tobytes()) for array in arrays]
        shapes += [list(array.shape) for array in arrays]
        shards.append({"file": file, "bytes": about["bytes"], "start": start})
        sent += _send(path, file, address)
    shutil.copyfile(store / "index.arrow", target / "index.arrow")
    shutil.copyfile(store / "broken.jsonl", target / "broken.jsonl")
    table = pa.record_batch({
        "size": pa.array(sizes, pa.int64()), "crc": pa.array(crcs, pa.uint32()),
        "shape": pa.array(shapes, pa.list_(pa.int64())),
    })  # fmt: skip
    write_batch(target / "arrays.arrow", table)
    shutil.copyfile(store / "store.json", target / "store.json")
    write_json(target / REMOTE, {"address": address, "shards": shards})
    return sent


def whole_address(address: str) -> str:
    """The address; of a folder on this disk the whole path. Raises SetupError where the address cannot be used."""
    system, root = file_system(address)
    protocols = [system.protocol] if isinstance(system.protocol, str) else system.protocol
    return str(root) if "file" in protocols else address


def read_shard(path: Path, dtype: np.dtype[Any]) -> tuple[int, list[np.ndarray]]:
    """Where in the file the numbers begin, and each array as a view of it."""
    with pa.memory_map(str(path)) as file:
        whole = file.read_buffer()
    batch = pa.ipc.open_file(pa.BufferReader(whole)).get_batch(0)
    values, shapes = batch["values"], batch["shape"].to_pylist()
    numbers, offsets = to_numpy(values.values).view(dtype), to_numpy(values.offsets)
    start = values.values.buffers()[1].address - whole.address
    return start, [numbers[offsets[at] : offsets[at + 1]].reshape(shape) for at, shape in enumerate(shapes)]


def _send(path: Path, file: str, address: str) -> int:
    """Bytes that were sent."""
    size = path.stat().st_size
    system, root = file_system(address)
    try:
        if system.exists(f"{root}/{file}") and system.size(f"{root}/{file}") == size:
            return 0
        system.makedirs(root, exist_ok=True)
        system.put_file(str(path), f"{root}/{file}")
    except Exception as error:  # each kind of address has errors of its own
        raise SetupError(
            f"Cannot write to {address}: {error or type(error).__name__}. Look at the address and the right to write "
            "there; what was sent already is not sent again."
        ) from error
    return size
