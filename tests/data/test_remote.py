"""Arrays that lie elsewhere: the same as those on this disk, sent there once and fetched once."""

import numpy as np
import pytest

from mmcore.data.dataset import Dataset
from mmcore.data.loader import Loader, fetched_ahead
from mmcore.data.offload import offload
from mmcore.data.remote import CACHE_GB, RemoteStore, open_store
from mmcore.errors import ArtifactError, SetupError
from mmcore.interfaces.block import Block
from mmcore.testing.toys.modalities import VectorModality
from tests.data.conftest import PICTURES, ROWS, afar, written

pytestmark = pytest.mark.usefixtures("own_cache")

RAGGED = [np.arange(number % 7 * 3, dtype=np.float32).reshape(-1, 3) + number for number in range(ROWS)]
NUMBERS = [np.asarray(number, dtype=np.int64) for number in range(ROWS)]
TRUTHS = [np.arange(number, number + 5) % 11 == 0 for number in range(ROWS)]


@pytest.mark.parametrize("arrays", [RAGGED, PICTURES, NUMBERS, TRUTHS], ids=["ragged", "fixed", "numbers", "truths"])
@pytest.mark.parametrize("missing", [(), (3, 21)])
def test_they_are_those_on_this_disk(web, tmp_path, arrays, missing):
    here, there = afar(web, tmp_path, arrays, missing=missing)
    assert isinstance(there, RemoteStore)
    assert len(list((web.folder / "shards").iterdir())) > 1
    assert not list((tmp_path / "light").glob("0*.arrow"))
    rows = np.random.default_rng(0).permutation(ROWS)
    for one, other in zip(here.take(rows), there.take(rows), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
            other[...] = 0  # may be written to
    assert np.array_equal(here.lengths, there.lengths)
    assert np.array_equal(there[5], here[5])


def test_what_is_empty_is_not_asked_for(web, tmp_path):
    here, there = afar(web, tmp_path, RAGGED)
    assert there[0].shape == here[0].shape == (0, 3)
    assert web.asked == []


def test_arrays_of_one_shape_come_as_one_block(web, tmp_path):
    _, there = afar(web, tmp_path, PICTURES)
    assert isinstance(there.take(np.arange(4)), Block)


def test_nothing_is_fetched_twice_while_there_is_room(web, tmp_path):
    _, there = afar(web, tmp_path, PICTURES)
    there.take(np.arange(ROWS))
    asked = len(web.asked)
    open_store(tmp_path / "light").take(np.arange(ROWS)[::-1])
    assert len(web.asked) == asked > 0


@pytest.mark.parametrize("seed", [None, 0])
def test_arrays_that_lie_near_each_other_are_one_request(web, tmp_path, seed):
    here, there = afar(web, tmp_path, PICTURES)
    rows = np.arange(ROWS) if seed is None else np.random.default_rng(seed).permutation(ROWS)
    assert all(np.array_equal(one, other) for one, other in zip(there.take(rows), here.take(rows), strict=True))
    assert len(web.asked) == len(list((web.folder / "shards").iterdir())) < ROWS // 2


def test_the_cache_keeps_within_its_bounds(web, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_GB, "0.0005")
    arrays = [np.full(50_000, number % 100, dtype=np.uint8) for number in range(ROWS)]
    here, there = afar(web, tmp_path, arrays)
    for row in range(ROWS):
        assert np.array_equal(there[row], here[row])
    size = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.val"))
    assert 0 < size <= 600_000


def test_what_lies_elsewhere_already_is_not_sent_from_there(web, tmp_path):
    _, there = afar(web, tmp_path, PICTURES)
    with pytest.raises(ArtifactError, match="lie elsewhere already: http"):
        offload(there.folder, str(tmp_path / "farther"), tmp_path / "lighter")


def test_what_was_sent_is_not_sent_again_and_half_a_shard_is(web, tmp_path):
    here = written(tmp_path / "store", PICTURES)
    target = str(web.folder / "shards")
    assert offload(here.folder, target, tmp_path / "light") > 0
    assert offload(here.folder, target, tmp_path / "light") == 0
    half = sorted((web.folder / "shards").iterdir())[0]
    half.write_bytes(half.read_bytes()[:10])
    assert offload(here.folder, target, tmp_path / "light") > 0
    assert np.array_equal(open_store(tmp_path / "light")[7], here[7])


@pytest.mark.parametrize("address", ["far", "./far", "file://far", "{}/far"])
def test_a_folder_on_this_disk_is_read_from_wherever_one_stands(address, tmp_path, monkeypatch):
    here = written(tmp_path / "store", PICTURES)
    monkeypatch.chdir(tmp_path)
    offload(here.folder, address.format(tmp_path), tmp_path / "light")
    monkeypatch.chdir(tmp_path / "light")
    assert np.array_equal(open_store(tmp_path / "light")[7], here[7])


def test_an_address_that_cannot_be_used_is_told(tmp_path):
    here = written(tmp_path / "store", PICTURES)
    with pytest.raises(SetupError, match=r"mmcore\[remote\]"):
        offload(here.folder, "nonsense://somewhere", tmp_path / "light")
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="Cannot write to"):
        offload(here.folder, str(tmp_path / "file" / "shards"), tmp_path / "light")


def test_batches_are_the_same_in_the_same_order_and_can_be_taken_up_in_the_middle(web, tmp_path):
    vectors = [np.array([number], dtype=np.float32) for number in range(ROWS)]
    here, there = afar(web, tmp_path, vectors, missing=(3,))
    modality = VectorModality()
    modality.fit(["1"], None)

    def batches(store, **options):
        found = Dataset({"v": modality}, {"v": store}, splits=np.array(["train"] * ROWS), groups=np.arange(ROWS))
        loader = Loader(found, np.arange(ROWS), batch_size=6, seed=3, shuffle=True, **options)
        return [(batch.row.tolist(), batch.fields["v"].values.tolist()) for batch in loader]

    assert batches(there) == batches(here)
    assert batches(there, start=4) == batches(here)[4:]
    assert batches(there, part=(1, 2)) == batches(here, part=(1, 2))


def test_a_fetch_that_fails_is_raised_where_its_batch_is_asked_for():
    def fetch(part):
        if part[0] == 2:
            raise SetupError("gone")

    parts = fetched_ahead(iter(np.arange(6).reshape(3, 2)), fetch, 2)
    assert next(parts).tolist() == [0, 1]
    with pytest.raises(SetupError, match="gone"):
        next(parts)
