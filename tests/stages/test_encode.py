import json

import numpy as np
import pytest

from mmcore.data.store import Store
from mmcore.errors import ArtifactError
from mmcore.stages.encode import without_base
from tests.stages.project import pictures


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
