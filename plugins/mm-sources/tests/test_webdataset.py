"""WebDataset shards."""

import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from mm_sources.unpacked import WebDatasetSource
from mm_sources.unpacked.shards import shard_paths

from mmcore.errors import DataError
from mmcore.interfaces.source import BrokenRow
from mmcore.testing import SourceContract

FIRST = {
    "a.jpg": b"\xff\xd8 one",
    "a.txt": "a cat\n",
    "a.json": '{"width": 3, "tags": ["x"], "none": null}',
    "b.PNG": b"\x89PNG two",
    "b.cls": "4",
}
SECOND = {"a.jpg": b"\xff\xd8 three", "a.txt": "狗", "deep/c.left.npy": b"\x93NUMPY", "deep/c.wav": b"RIFF"}
SETTINGS = {"shards": "shards/*.tar", "unpack_to": "unpacked"}


def shard(path: Path, members: Mapping[str, bytes | str]) -> Path:
    """A tar file, compressed where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w") as tar:
        for name, content in members.items():
            info, data = tarfile.TarInfo(name), content.encode() if isinstance(content, str) else content
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write(folder: Path, *more: Mapping[str, bytes | str]) -> WebDatasetSource:
    for number, members in enumerate(more or (FIRST, SECOND)):
        shard(folder / "shards" / f"{number:03d}.tar", members)
    return WebDatasetSource(shards=str(folder / "shards" / "*.tar"), unpack_to=str(folder / "unpacked"))


class TestWebDataset(SourceContract):
    name = "webdataset"

    def source_settings(self, folder: Path):
        write(folder)
        return SETTINGS

    def broken_in(self, folder: Path):
        whole = shard(folder / "whole.tar", {**FIRST, "c.jpg": b"x" * 20_000}).read_bytes()
        (folder / "cut.tar").write_bytes(whole[:-25_000])
        (folder / "empty.tar").write_bytes(b"")
        (folder / "text.tar").write_text("no tar at all")
        shard(folder / "apart.tar", {"a.jpg": b"1", "b.jpg": b"2", "a.txt": "3"})
        shard(folder / "nameless.tar", {"README": b"1"})
        shard(folder / "outside.tar", {"../a.jpg": b"1"})
        names = ("cut", "empty", "text", "apart", "nameless", "outside", "nowhere", "none*")
        return [{**SETTINGS, "shards": f"{name}.tar"} for name in names]


class TestWebDatasetCompressed(SourceContract):
    name = "webdataset"

    def source_settings(self, folder: Path):
        shard(folder / "a.tar.gz", FIRST)
        return {**SETTINGS, "shards": "a.tar.gz"}


def test_a_row_is_a_sample_with_texts_as_cells_and_files_as_paths(tmp_path):
    source = write(tmp_path)
    columns = ["key", "image", "txt", "json.width", "json.tags", "json.none", "cls", "left.npy", "audio"]
    assert list(source.columns()) == columns
    first, second, third, fourth = source.rows()
    assert {name: cell for name, cell in first.items() if cell is not None} == {
        "key": "000/a",
        "image": "000/a.jpg",
        "txt": "a cat",
        "json.width": 3,
        "json.tags": '["x"]',
    }
    assert (second["image"], second["cls"], second["txt"]) == ("000/b.png", "4", None)
    assert third["txt"] == "狗"
    assert (fourth["left.npy"], fourth["audio"]) == ("001/deep/c.left.npy", "001/deep/c.wav")


def test_files_of_the_same_name_in_two_shards_are_kept_apart(tmp_path):
    source = write(tmp_path)
    found = [(source.base / row["image"]).read_bytes() for row in source.rows() if row["image"]]
    assert found == [FIRST["a.jpg"], FIRST["b.PNG"], SECOND["a.jpg"]]


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ("train/00000.tar", "val/00000.tar", ["train/00000", "val/00000"]),
        ("s/part.0.tar", "s/part.1.tar.gz", ["part.0", "part.1"]),
        ("a/x/0.tar", "b/x/0.tar", ["a/x/0", "b/x/0"]),
    ],
)
def test_shards_whose_files_share_a_name_are_kept_apart(tmp_path, one, other, names):
    shard(tmp_path / one, {"a.jpg": b"1"})
    shard(tmp_path / other, {"a.jpg": b"2"})
    pattern = tmp_path / "/".join("*" for _ in Path(one).parts)
    source = WebDatasetSource(shards=f"{pattern}.tar*", unpack_to=str(tmp_path / "out"))
    found = list(source.rows())
    assert [row["key"] for row in found] == [f"{name}/a" for name in names]
    assert [(source.base / row["image"]).read_bytes() for row in found] == [b"1", b"2"]


def test_shards_that_differ_in_their_endings_alone_are_told(tmp_path):
    for name in ("a.tar", "a.tar.gz"):
        shard(tmp_path / name, {"a.jpg": b"1"})
    source = WebDatasetSource(shards=str(tmp_path / "a.*"), unpack_to=str(tmp_path / "out"))
    with pytest.raises(DataError, match=r"a.tar and a.tar.gz would be unpacked to one folder"):
        list(source.rows())


def test_files_are_unpacked_once_and_again_where_a_shard_changes(tmp_path):
    source = write(tmp_path)
    picture = source.base / "000" / "a.jpg"
    before = picture.stat().st_mtime_ns
    os.utime(picture, ns=(before - 1, before - 1))
    assert (source.base / "000" / "a.jpg").stat().st_mtime_ns == before - 1
    shard(tmp_path / "shards" / "000.tar", {**FIRST, "a.jpg": b"another picture"})
    assert (source.base / "000" / "a.jpg").read_bytes() == b"another picture"


def test_what_was_not_unpacked_to_the_end_is_unpacked_again(tmp_path):
    source = write(tmp_path)
    (source.base / "unpacked.json").unlink()
    (tmp_path / "unpacked" / "000" / "a.jpg").unlink()
    assert (source.base / "000" / "a.jpg").is_file()


def test_what_was_unpacked_under_another_name_is_unpacked_again(tmp_path):
    source = write(tmp_path)
    stamp = json.loads((source.base / "unpacked.json").read_text())
    before = {path: [size, changed] for path, (size, changed, _) in stamp.items()}  # as it was before names stood there
    (source.base / "unpacked.json").write_text(json.dumps(before))
    (tmp_path / "unpacked" / "000" / "a.jpg").unlink()
    assert (source.base / "000" / "a.jpg").is_file()


def test_members_that_no_packer_meant_are_left_out(tmp_path):
    source = write(tmp_path, {"._a.jpg": b"mac", "__meta__.json": "{}", "a.jpg": b"1"})
    assert [row["key"] for row in source.rows()] == ["000/a"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a.jpg": b"1", "a.json": "{\n!"}, "a.json: line 2, column 1 is not JSON"),
        ({"a.jpg": b"1", "a.txt": b"\xff"}, "a.txt: byte 1 is not UTF-8"),
        ({"a.jpg": b"1", "a.png": b"2"}, "000/a.jpg and a.png: two members for the column 'image'"),
    ],
)
def test_a_sample_at_fault_is_broken_and_the_others_stay(tmp_path, members, reason):
    broken, good = write(tmp_path, {**members, "b.jpg": b"3"}).rows()
    assert isinstance(broken, BrokenRow)
    assert reason in broken.reason
    assert not isinstance(good, BrokenRow)


def test_a_member_that_leaves_the_folder_is_refused_and_nothing_is_written(tmp_path):
    source = write(tmp_path, {"../../evil.jpg": b"1"})
    with pytest.raises(DataError, match="no plain file inside the shard"):
        assert source.base
    assert not list(tmp_path.rglob("evil.jpg"))


@pytest.mark.parametrize("packed", ["bz2", "xz"])
def test_a_damaged_shard_is_told_however_it_is_packed(tmp_path, packed):
    path = shard(tmp_path / f"0.tar.{packed}", {f"{number}.bin": os.urandom(9000) for number in range(5)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"0.tar.{packed}: this is no whole tar file"):
        assert WebDatasetSource(shards=str(path), unpack_to=str(tmp_path / "unpacked")).base


def test_a_link_in_a_shard_is_refused(tmp_path):
    source = write(tmp_path)
    with tarfile.open(tmp_path / "shards" / "002.tar", "w") as tar:
        info = tarfile.TarInfo("a.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(info)
    with pytest.raises(DataError, match=r"002.tar: the member 'a.jpg' is no plain file"):
        list(source.rows())


def test_members_of_a_sample_that_stand_apart_say_how_to_pack(tmp_path):
    source = write(tmp_path, {"a.jpg": b"1", "b.jpg": b"2", "a.txt": "3"})
    with pytest.raises(DataError, match=r"members of 'a' do not stand together.*--sort=name"):
        list(source.rows())


def test_shards_are_counted_or_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (8, 9, 10):
        shard(Path(f"s-{number:02d}.tar"), {"a.txt": "x"})
    assert shard_paths("s-{08..10}.tar") == shard_paths("s-*.tar")
    with pytest.raises(DataError, match=r"s-11.tar: there is no such shard"):
        shard_paths("s-{08..11}.tar")


def test_a_shard_below_a_folder_with_brackets_in_its_name_is_there(tmp_path):
    path = shard(tmp_path / "set [1]" / "0.tar", {"a.txt": "x"})
    assert shard_paths(str(path)) == shard_paths(str(path.parent / "*.tar")) == [path]
    assert shard_paths(str(path.parent / "{0..0}.tar")) == [path]


def test_shards_are_watched_and_not_what_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    assert WebDatasetSource(**SETTINGS).watch == ["shards/000.tar", "shards/001.tar"]
