import json
import os
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmcore.data.files import digest_of_folder
from mmcore.data.store import Store
from mmcore.data.storing import Hashed, StoreWriter
from mmcore.errors import ArtifactError, BuildError, SetupError

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint64", "float16", "float32", "float64"]


def write(folder, arrays, slots=None, **settings):
    writer = StoreWriter(folder, **settings)
    for array in arrays:
        writer.add(array)
    writer.finish(np.arange(len(arrays)) if slots is None else np.asarray(slots))
    return Store(folder)


def same(one, other):
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def ragged(dtype="float32", count=20):
    draw = np.random.default_rng(0)
    return [draw.normal(size=(n % 5, 3)).astype(dtype) for n in range(count)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (4,), (3, 2, 5), (0, 7)])
def test_arrays_of_one_shape_come_back_exactly(tmp_path, dtype, shape):
    arrays = [np.random.default_rng(n).integers(0, 100, shape).astype(dtype) for n in range(7)]
    store = write(tmp_path, arrays)
    assert store.shape == shape
    assert all(same(store[row], array) for row, array in enumerate(arrays))
    assert all(same(taken, array) for taken, array in zip(store.take(np.arange(7)), arrays, strict=True))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), dtype=st.sampled_from(DTYPES), shard=st.sampled_from([1, 64, 10_000]))
def test_arrays_of_any_shapes_come_back_exactly_from_any_row(tmp_path, data, dtype, shard):
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    arrays = data.draw(st.lists(hnp.arrays(dtype, shapes), min_size=1, max_size=8))
    slots = data.draw(st.lists(st.integers(-1, len(arrays) - 1), max_size=20))
    store = write(tmp_path, arrays, slots, shard_bytes=shard)
    rows = data.draw(st.permutations(range(len(slots))))
    for row, taken in zip(rows, store.take(np.array(rows, dtype=np.int64)), strict=True):
        expected = None if slots[row] < 0 else arrays[slots[row]]
        assert (taken is None) == (expected is None)
        assert expected is None or (same(taken, expected) and same(store[row], expected))


def test_one_row_is_a_view_of_the_file(tmp_path):
    before = pa.total_allocated_bytes()
    store = write(tmp_path, [np.arange(1_000_000, dtype=np.float32)])
    found = store[0]
    assert not found.flags.writeable
    assert pa.total_allocated_bytes() - before < 100_000


def test_what_is_taken_may_be_written_to_and_changes_nothing(tmp_path):
    for arrays in (ragged(), [np.zeros(3), np.ones(3)]):
        store = write(tmp_path, arrays)
        store.take(np.array([1, 1]))[0][:] = 7
        assert same(store[1], arrays[1])
        assert same(store.take(np.array([1]))[0], arrays[1])


def test_rows_without_an_array_give_none(tmp_path):
    store = write(tmp_path, [np.zeros(2)], slots=[-1, 0, -1])
    assert store[0] is None
    assert [array is None for array in store.take(np.array([2, 1, 0]))] == [True, False, True]
    assert store.has.tolist() == [False, True, False]
    assert len(store) == 3


def test_open_stores_hold_no_file_open(tmp_path):
    arrays = [np.full(100, n) for n in range(300)]
    store = write(tmp_path, arrays, shard_bytes=1)
    assert len(store.about["shards"]) == 300
    before = len(os.listdir("/proc/self/fd"))
    assert all(int(store[row][0]) == row for row in range(300))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_writer_that_was_killed_leaves_nothing_that_can_be_opened(tmp_path):
    code = """
import sys, numpy as np
from pathlib import Path
from mmcore.data.storing import StoreWriter
writer = StoreWriter(Path(sys.argv[1]), shard_bytes=1)
while True:
    writer.add(np.zeros(10))
"""
    write(tmp_path, ragged())
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    while len(list(tmp_path.glob("*.arrow"))) < 5 or (tmp_path / "store.json").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    with pytest.raises(ArtifactError, match="no finished array store"):
        Store(tmp_path)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_the_same_arrays_give_the_same_bytes(tmp_path, count):
    for name in ("one", "other"):
        write(tmp_path / name, ragged(count=count), shard_bytes=200)
    one, other = (sorted((tmp_path / name).iterdir()) for name in ("one", "other"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_arrays_that_follow_leave_full_shards_as_they_are(tmp_path):
    few = write(tmp_path / "few", ragged(count=30), shard_bytes=200)
    many = write(tmp_path / "many", ragged(count=60), shard_bytes=200)
    full = few.about["shards"][:-1]
    assert full == many.about["shards"][: len(full)]
    assert len(full) > 2


def test_a_store_that_was_not_finished_cannot_be_opened(tmp_path):
    write(tmp_path, ragged())
    writer = StoreWriter(tmp_path, shard_bytes=1)
    for array in ragged():
        writer.add(array)
    with pytest.raises(ArtifactError, match="no finished array store"):
        Store(tmp_path)


@pytest.mark.parametrize("name", ["00000.arrow", "index.arrow"])
def test_a_file_that_was_cut_short_is_told(tmp_path, name):
    write(tmp_path, ragged())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-10])
    with pytest.raises(ArtifactError, match=f"{name} has"):
        _ = Store(tmp_path)[1]


def test_a_store_of_another_format_is_told(tmp_path):
    write(tmp_path, ragged())
    about = json.loads((tmp_path / "store.json").read_text())
    (tmp_path / "store.json").write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(ArtifactError, match="has format 99"):
        Store(tmp_path)


def test_two_dtypes_in_one_store_are_refused(tmp_path):
    writer = StoreWriter(tmp_path)
    writer.add(np.zeros(2, dtype=np.float32))
    with pytest.raises(BuildError, match="float64 after one of float32"):
        writer.add(np.zeros(2))


@pytest.mark.parametrize("array", [np.array(["text"]), np.zeros(2, dtype=complex), np.array([None])])
def test_what_is_no_number_is_refused(tmp_path, array):
    with pytest.raises(BuildError, match="truth values, integers or floats"):
        StoreWriter(tmp_path).add(array)


def test_the_digest_of_a_store_follows_its_content(tmp_path):
    digests = set[str]()
    for name, arrays in {"a": ragged(), "b": ragged()[::-1], "c": ragged()[:-1]}.items():
        write(tmp_path / name, arrays)
        digests.add(digest_of_folder(tmp_path / name))
    write(tmp_path / "again", ragged())
    assert len(digests) == 3
    assert digest_of_folder(tmp_path / "again") in digests


def test_a_full_disk_is_told_and_leaves_no_store(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Hashed, "write", full)
    with pytest.raises(SetupError, match="No space left on device"):
        write(tmp_path, ragged())
    with pytest.raises(ArtifactError):
        Store(tmp_path)


@pytest.mark.parametrize("arrays", [ragged(), [np.zeros((3, 2)), np.ones((3, 2))], [np.array(1), np.array(2)]])
def test_lengths_are_known_without_reading(tmp_path, arrays):
    slots = [1, -1, 0, 1]
    found = write(tmp_path, arrays, slots, shard_bytes=100).lengths
    assert found.tolist() == [0 if slot < 0 else (len(arrays[slot]) if arrays[slot].ndim else 1) for slot in slots]


def test_many_small_arrays_of_several_shapes_come_back(tmp_path):
    shapes = [(), (3,), (2, 2), (0,)]
    arrays = [np.full(shapes[number % 4], number, dtype=np.int32) for number in range(400_000)]
    writer = StoreWriter(tmp_path)
    for array in arrays:
        writer.add(array)
    writer.finish(np.arange(len(arrays)))

    store = Store(tmp_path)

    assert all(np.array_equal(store[row], array) for row, array in enumerate(arrays))
    assert [store[row].shape for row in range(4)] == shapes
