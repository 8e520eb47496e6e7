import json
import shutil
import time

import numpy as np
import pytest

from mmcore.data.files import sha256_of
from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter
from mmcore.errors import ArtifactError, DataError
from mmcore.stages import encode, unchanged
from mmcore.stages.encode import without_base
from tests.stages.project import BlobModality, pictures


def encoded(project, field="image"):
    project.ingest()
    project.fit(field)
    project.encode(field)
    return Store(project.paths.store(field))


def broken_of(project, field="image"):
    lines = (project.paths.store(field) / "broken.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_each_row_finds_what_read_gave(tmp_path):
    store = encoded(pictures(tmp_path, samples=20))
    assert [bytes(store[row]) for row in range(20)] == [b"picture %d" % row for row in range(20)]


def test_files_of_one_content_are_kept_once(tmp_path):
    project = pictures(tmp_path)
    project.file("copy.bin", b"picture 0")
    project.rows([{"image": name, "label": "a"} for name in ("0.bin", "copy.bin", "0.bin", "1.bin")])
    store = encoded(project)
    assert store.about["arrays"] == 2
    assert bytes(store[1]) == bytes(store[2]) == b"picture 0"


def test_a_missing_cell_has_no_array_and_is_not_broken(tmp_path):
    project = pictures(tmp_path)
    project.rows([{"image": "0.bin", "label": "a"}, {"image": "1.bin", "label": None}])
    store = encoded(project, "label")
    assert store[1] is None
    assert store.has.tolist() == [True, False]
    assert broken_of(project, "label") == []


def test_a_cell_that_cannot_be_read_is_listed_for_each_of_its_rows(tmp_path):
    project = pictures(tmp_path)
    project.file("bad.bin", b"broken")
    project.rows([{"image": name, "label": "a"} for name in ("bad.bin", "0.bin", "bad.bin")])
    store = encoded(project)
    assert store[0] is None
    assert bytes(store[1]) == b"picture 0"
    reason = "this is no blob."
    assert broken_of(project) == [
        {"cell": "bad.bin", "field": "image", "id": str(row), "reason": reason, "row": row} for row in (0, 2)
    ]


def test_a_class_that_only_the_test_split_has_is_broken_with_its_reason(tmp_path):
    project = pictures(tmp_path)
    rows = [{"image": f"{n}.bin", "label": "ab"[n % 2]} for n in range(4)]
    project.rows([*rows, {"image": "4.bin", "label": "new", "split": "test"}])
    encoded(project, "label")
    assert [item["reason"] for item in broken_of(project, "label")] == [
        "class 'new' does not occur in the training split."
    ]


def test_where_nothing_can_be_read_the_store_is_whole_and_empty(tmp_path):
    project = pictures(tmp_path)
    project.rows([{"image": project.file("bad.bin", b"broken"), "label": "a"}])
    store = encoded(project)
    assert store[0] is None
    assert store.take(np.array([0])) == [None]


def test_a_fault_of_the_plugin_is_no_broken_row(tmp_path):
    project = pictures(tmp_path)
    project.rows([{"image": project.file("bad.bin", b"crash"), "label": "a"}])
    with pytest.raises(RuntimeError, match="has a fault") as caught:
        encoded(project)
    assert "While reading 'bad.bin'" in caught.value.__notes__[0]


def test_an_encode_that_broke_off_leaves_nothing_that_can_be_opened(tmp_path):
    project = pictures(tmp_path, samples=20)
    encoded(project)
    project.file("7.bin", b"crash")
    with pytest.raises(RuntimeError):
        encoded(project)
    with pytest.raises(ArtifactError, match="no finished array store"):
        Store(project.paths.store("image"))


def test_encoding_twice_gives_the_same_bytes(tmp_path):
    outputs = []
    for name in ("one", "other"):
        project = pictures(tmp_path / name, samples=30)
        project.file("3.bin", b"broken")
        encoded(project)
        outputs.append({path.name: path.read_bytes() for path in project.paths.store("image").iterdir()})
    assert outputs[0] == outputs[1]


def test_encoding_over_an_older_store_leaves_nothing_of_it(tmp_path):
    project = pictures(tmp_path, samples=4)
    encoded(project)
    (project.paths.store("image") / "00007.arrow").write_bytes(b"stale")
    encoded(project)
    assert not (project.paths.store("image") / "00007.arrow").exists()


def test_reasons_hold_no_path_of_this_machine(tmp_path):
    reason = f"{tmp_path}/a/b.png: cannot open {tmp_path}/a/b.png"
    assert without_base(reason, "a/b.png", base=tmp_path) == "cannot open a/b.png"


def noting(names):
    """`read` that remembers of which cells."""
    real = BlobModality.read

    def read(self, cell, base):
        names.append(cell)
        return real(self, cell, base)

    return read


def appended(tmp_path, monkeypatch, *, before, after, shard_bytes=40):
    """Encode rows twice, the second time with others.

    The names that were read then, and whether all bytes are those of an encode that has nothing to go on.
    """
    monkeypatch.setattr(StoreWriter.__init__, "__kwdefaults__", {"kept": None, "shard_bytes": shard_bytes})
    outputs, names = [], []
    for folder, rounds in (("on", (before, after)), ("fresh", (after,))):
        project = pictures(tmp_path / folder, samples=30)
        project.file("bad.bin", b"broken")
        for rows in rounds:
            names = []
            project.rows([{"image": f"{name}.bin", "label": "a"} for name in rows])
            project.ingest()
            project.fit("image")
            shutil.rmtree(project.paths.store("image"), ignore_errors=True)  # as DVC does before a stage starts
            with monkeypatch.context() as patch:
                patch.setattr(BlobModality, "read", noting(names))
                project.encode("image")
        outputs.append(({p.name: p.read_bytes() for p in project.paths.store("image").iterdir()}, names))
    (on, read), (fresh, read_fresh) = outputs
    assert len(read_fresh) == len(set(after))
    return sorted(name.removesuffix(".bin") for name in read), on == fresh


@pytest.mark.parametrize(
    ("before", "after", "read"),
    [
        (range(20), range(25), ["20", "21", "22", "23", "24"]),  # appended: DVC would have them all read again
        (range(20), range(20), []),
        (range(20), range(3, 20), []),  # taken away at the start: no shard begins where it did
        (range(20), [25, *range(20)], ["25"]),
        (range(20), [*range(10), 26, *range(10, 20)], ["26"]),
        (["bad", *range(20)], ["bad", *range(22)], ["20", "21", "bad"]),  # what cannot be read is tried again
        (range(20), [*range(10), "bad", *range(10, 20)], ["bad"]),
        (range(20), list(reversed(range(20))), []),
    ],
)
@pytest.mark.parametrize("shard_bytes", [1, 40, 10_000])
def test_what_was_read_before_is_not_read_again_and_the_bytes_are_the_same(
    tmp_path, monkeypatch, before, after, read, shard_bytes
):
    monkeypatch.setattr(BlobModality, "reads_by", lambda self: {})  # a fit that learned of other cells changes nothing
    found, same = appended(tmp_path, monkeypatch, before=before, after=after, shard_bytes=shard_bytes)
    assert found == sorted(read)
    assert same


def test_where_reading_may_depend_on_what_was_learned_all_is_read_again(tmp_path, monkeypatch):
    found, same = appended(tmp_path, monkeypatch, before=range(20), after=range(21))
    assert len(found) == 21
    assert same


def test_an_encode_that_broke_off_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(StoreWriter.__init__, "__kwdefaults__", {"kept": None, "shard_bytes": 20})
    monkeypatch.setattr(encode, "AHEAD", 4)
    project = pictures(tmp_path, samples=20)
    project.file("15.bin", b"crash")
    with pytest.raises(RuntimeError):
        encoded(project)
    kept = sorted((tmp_path / ".mm" / "encoded" / "image").rglob("*.arrow"))
    assert len(kept) > 3
    before = {path.stat().st_ino for path in kept}
    project.file("15.bin", b"picture 15")
    encoded(project)
    assert before <= {path.stat().st_ino for path in project.paths.store("image").glob("*.arrow")}


def test_a_kept_shard_that_was_damaged_is_read_again(tmp_path, monkeypatch):
    project = pictures(tmp_path, samples=20)
    encoded(project)
    outputs = {path.name: path.read_bytes() for path in project.paths.store("image").iterdir()}
    for path in (tmp_path / ".mm").rglob("*.arrow"):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[:-8] + b"12345678")
    encoded(project)
    assert outputs == {path.name: path.read_bytes() for path in project.paths.store("image").iterdir()}


def test_only_what_the_last_store_holds_is_kept(tmp_path):
    project = pictures(tmp_path, samples=20)
    encoded(project)
    project.rows([{"image": "1.bin", "label": "a"}])
    encoded(project)
    shards = list((tmp_path / ".mm" / "encoded" / "image").rglob("*.arrow"))
    assert [path.read_bytes() for path in shards] == [(project.paths.store("image") / "00000.arrow").read_bytes()]


@pytest.mark.parametrize("noted", [True, False])
def test_a_file_that_is_changed_after_ingest_is_told_and_nothing_is_kept_of_it(tmp_path, noted):
    project = pictures(tmp_path, samples=3)
    before = [bytes(array) for array in encoded(project).take(np.arange(3))]
    shutil.rmtree(tmp_path / ".mm")
    project.ingest()
    if not noted:  # by another machine, which DVC has the manifest from
        (tmp_path / ".mm" / "ingested.json").unlink()
    file = tmp_path / "data" / "1.bin"
    kept = file.read_bytes()
    file.write_bytes(b"another")
    with pytest.raises(DataError, match=r"1\.bin is not what it was .* dvc repro"):
        project.encode("image")
    file.write_bytes(kept)
    assert [bytes(array) for array in encoded(project).take(np.arange(3))] == before


def test_files_that_have_rested_since_before_ingest_are_not_looked_into_again(tmp_path, monkeypatch):
    project = pictures(tmp_path, samples=3)
    monkeypatch.setattr(unchanged, "APART_NS", 0)
    time.sleep(0.05)  # more than the step of a disk's clock
    project.ingest()
    project.fit("image")
    monkeypatch.setattr(unchanged, "sha256_of", lambda path: sha256_of(path) if path == project.paths.manifest else "")
    project.encode("image")
    assert len(Store(project.paths.store("image"))) == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_cells_are_read_in_order_and_only_so_many_ahead(monkeypatch, threads):
    monkeypatch.setattr(encode, "AHEAD", 20)
    begun = []

    def read(cell):
        begun.append(cell)
        return np.array(cell)

    found = encode.read_all(range(200), read, threads=threads)
    assert [int(next(found)) for _ in range(30)] == list(range(30))
    assert len(begun) <= 30 + 20 + 20  # what waits, and the part that was handed out last
    assert [int(array) for array in found] == list(range(30, 200))
    assert sorted(begun) == list(range(200))


def test_a_fault_comes_in_its_place(monkeypatch):
    monkeypatch.setattr(encode, "AHEAD", 8)

    def read(cell):
        if cell == 11:
            raise RuntimeError("a fault")
        return np.array(cell)

    found = encode.read_all(range(40), read, threads=2)
    assert [int(next(found)) for _ in range(8)] == list(range(8))
    with pytest.raises(RuntimeError, match="a fault"):
        list(found)
