"""Arrays that lie elsewhere: the same as those on this disk, and told where they are not to be had."""

import sqlite3
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import diskcache
import numpy as np
import pytest

import mmcore.data.remote
from mmcore.data.dataset import Dataset
from mmcore.data.loader import Loader, fetched_ahead
from mmcore.data.offload import offload
from mmcore.data.remote import CACHE, CACHE_GB, RemoteStore, open_store
from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter
from mmcore.errors import ArtifactError, SetupError
from mmcore.interfaces.block import Block
from mmcore.testing.toys.modalities import VectorModality

ROWS = 40
RAGGED = [np.arange(number % 7 * 3, dtype=np.float32).reshape(-1, 3) + number for number in range(ROWS)]
PICTURES = [np.full((4, 5, 3), number, dtype=np.uint8) for number in range(ROWS)]
NUMBERS = [np.asarray(number, dtype=np.int64) for number in range(ROWS)]
TRUTHS = [np.arange(number, number + 5) % 11 == 0 for number in range(ROWS)]


class Ranges(SimpleHTTPRequestHandler):
    """Files of a folder by ranges of bytes, as S3 gives them; `server.faults` are answered first.

    `server.whole`: ranges are overlooked, as simple servers do. `server.page`: what is answered in place of a file.
    """

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.server.faults:
            fault = self.server.faults.pop(0)
            time.sleep(fault if isinstance(fault, float) else 0)
            if isinstance(fault, int):
                self.send_error(fault)
                return
        path = Path(self.translate_path(self.path))
        if not path.exists():
            self.send_error(404)
            return
        data = self.server.page or path.read_bytes()
        if self.server.whole or self.server.page:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def web(tmp_path):
    """A web server on this machine over the folder tmp_path/web."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(folder)))
    server.daemon_threads, server.faults, server.asked, server.folder = True, [], [], folder
    server.whole, server.page = False, b""
    server.address = f"http://127.0.0.1:{server.server_port}/shards"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _small_and_quick(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(mmcore.data.remote, "PAUSE_S", 0.01)


def written(folder, arrays, *, missing=()):
    """A store of several shards; rows share arrays with the row 20 before."""
    writer = StoreWriter(folder, shard_bytes=sum(array.nbytes for array in arrays) // 10)
    slots = np.array([writer.add(array) for array in arrays[: ROWS // 2]] * 2)
    slots[list(missing)] = -1
    writer.finish(slots)
    return Store(folder)


def afar(web, tmp_path, arrays, **options):
    """The store on this disk, and the same one with its shards behind the web server."""
    here = written(tmp_path / "store", arrays, **options)
    offload(here.folder, str(web.folder / "shards"), tmp_path / "light")
    light = tmp_path / "light" / "remote.json"
    light.write_text(light.read_text().replace(str(web.folder / "shards"), web.address))
    return here, open_store(tmp_path / "light")


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


@pytest.mark.parametrize("size", ["a lot", "nan", "-1", "inf", ""])
def test_a_size_that_is_none_is_told(web, tmp_path, monkeypatch, size):
    monkeypatch.setenv(CACHE_GB, size)
    _, there = afar(web, tmp_path, PICTURES)
    with pytest.raises(SetupError, match=f"{CACHE_GB} is '{size}'"):
        there.take(np.arange(1))


def test_a_folder_that_cannot_be_written_to_is_told(web, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE, str(tmp_path / "file" / "cache"))
    _, there = afar(web, tmp_path, PICTURES)
    with pytest.raises(SetupError, match=f"Set {CACHE} to a folder"):
        there.take(np.arange(1))


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), sqlite3.OperationalError("disk is full"), diskcache.Timeout("busy")],
)
def test_where_there_is_no_room_to_keep_them_they_are_fetched_and_that_is_told_once(web, tmp_path, monkeypatch, error):
    def full(*_, **__):
        raise error

    here, there = afar(web, tmp_path, PICTURES)
    monkeypatch.setattr(there._cache, "set", full)
    with pytest.warns(RuntimeWarning, match="cannot be kept in") as told:
        found = [there.take(np.arange(ROWS)) for _ in range(2)]
    assert all(np.array_equal(one, here.take(np.arange(ROWS))) for one in found)
    assert len(told) == 1


def test_what_lies_elsewhere_already_is_not_sent_from_there(web, tmp_path):
    _, there = afar(web, tmp_path, PICTURES)
    with pytest.raises(ArtifactError, match="lie elsewhere already: http"):
        offload(there.folder, str(tmp_path / "farther"), tmp_path / "lighter")


def test_a_fault_that_passes_is_tried_again(web, tmp_path):
    here, there = afar(web, tmp_path, PICTURES)
    web.faults += [503, 500]
    assert np.array_equal(there[0], here[0])


def test_an_address_that_keeps_failing_is_named(web, tmp_path):
    _, there = afar(web, tmp_path, PICTURES)
    web.faults += [503] * 10
    with pytest.raises(SetupError, match=r"Cannot read the arrays at http://127\.0\.0\.1"):
        there.take(np.arange(1))


def test_an_answer_that_takes_too_long_is_told(web, tmp_path, monkeypatch):
    monkeypatch.setattr(mmcore.data.remote, "TIMEOUT_S", 0.2)
    here, there = afar(web, tmp_path, PICTURES)
    web.faults += [1.0]
    assert np.array_equal(there[0], here[0])  # slow once
    web.faults += [1.0] * 10
    with pytest.raises(SetupError, match=r"it did not answer within 0\.2 s"):
        there.take(np.arange(5, 6))


def test_a_process_does_not_wait_at_its_end_for_an_answer_that_never_comes(web, tmp_path, monkeypatch):
    monkeypatch.setattr(mmcore.data.remote, "TIMEOUT_S", 0.1)
    _, there = afar(web, tmp_path, PICTURES)
    web.faults += [5.0] * 10
    before = set(threading.enumerate())
    with pytest.raises(SetupError, match="did not answer"):
        there.take(np.arange(1))
    left = set(threading.enumerate()) - before
    assert left
    assert all(thread.daemon for thread in left)


def test_a_shard_that_is_gone_is_told_at_once(web, tmp_path):
    _, there = afar(web, tmp_path, PICTURES)
    for path in (web.folder / "shards").iterdir():
        path.unlink()
    with pytest.raises(SetupError, match="Cannot read the arrays"):
        there.take(np.arange(1))
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("damage", "told"),
    [(lambda data: data[: len(data) // 3], "not all there"), (lambda data: bytes(len(data)), "others")],
)
def test_a_shard_that_is_not_what_was_written_is_told(web, tmp_path, damage, told):
    _, there = afar(web, tmp_path, PICTURES)
    for path in (web.folder / "shards").iterdir():
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtifactError, match=told):
        there.take(np.arange(ROWS))


def test_a_server_that_gives_no_ranges_is_told_as_such(web, tmp_path):
    _, there = afar(web, tmp_path, PICTURES)
    web.whole = True
    with pytest.raises(SetupError, match="gives whole files where ranges of bytes are asked for"):
        there.take(np.arange(1))


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (b"<html>Log in, please.</html>" * 10, r"Something else answers at http.* 280 bytes came, .* b'<html>Log in"),
        (b"<html></html>", r"not all there: 13 bytes came, which begin with b'<html></html>'"),
        (b"", "gives whole files"),
    ],
    ids=["long", "short", "none"],
)
def test_a_page_in_place_of_a_shard_is_no_whole_file(web, tmp_path, page, told):
    _, there = afar(web, tmp_path, PICTURES)
    web.whole, web.page = True, page
    with pytest.raises((ArtifactError, SetupError), match=told):
        there.take(np.arange(1))


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
