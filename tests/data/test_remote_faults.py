"""Arrays that lie elsewhere and are not to be had, or cannot be kept: tried again, and told."""

import sqlite3
import threading

import diskcache
import numpy as np
import pytest

import mmcore.data.remote
from mmcore.data.remote import CACHE, CACHE_GB
from mmcore.errors import ArtifactError, SetupError
from tests.data.conftest import PICTURES, ROWS, afar

pytestmark = pytest.mark.usefixtures("own_cache")


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
