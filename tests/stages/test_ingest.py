import math
import os

import pytest

from mmcore.errors import ConfigError, DataError
from tests.stages.project import Project, pictures, texts


def test_the_manifest_holds_cells_hashes_splits_and_slices(tmp_path):
    project = pictures(tmp_path, samples=2, slices=["label"])
    manifest = project.ingest()
    assert manifest.ids == ["0", "1"]
    assert manifest.cells("image") == ["0.bin", "1.bin"]
    assert [len(digest) for digest in manifest.hashes("image")] == [64, 64]
    assert manifest.hashes("label") == [None, None]
    assert manifest.slices == {"label": ["a", "b"]}
    assert manifest.splits.tolist() == ["train", "train"]


def test_the_same_data_gives_the_same_bytes(tmp_path):
    outputs = []
    for name in ("one", "other"):
        project = pictures(tmp_path / name)
        project.ingest()
        outputs.append([path.read_bytes() for path in (project.paths.manifest, project.paths.refused)])
    assert outputs[0] == outputs[1]


def test_a_missing_column_is_told_with_those_that_are_there(tmp_path):
    project = pictures(tmp_path)
    project.fields["image"]["column"] = "imgae"
    with pytest.raises(ConfigError, match=r"fields\.image\.column is 'imgae'.*Did you mean 'image'\?.*label, split"):
        project.ingest()


@pytest.mark.parametrize("key", ["id", "group"])
def test_a_missing_column_of_data_is_told_by_its_key(tmp_path, key):
    with pytest.raises(ConfigError, match=rf"data\.{key} is 'nowhere'"):
        pictures(tmp_path, **{key: "nowhere"}).ingest()


def test_an_empty_table_is_told(tmp_path):
    project = pictures(tmp_path)
    project.rows([], columns=["image", "label", "split"])
    with pytest.raises(DataError, match="has no rows"):
        project.ingest()


def test_a_table_without_training_rows_is_told(tmp_path):
    project = texts(tmp_path, [{"text": "a", "split": "test"}])
    with pytest.raises(DataError, match=r"no training rows: of 1 rows .* column 'split' names none"):
        project.ingest()


@pytest.mark.parametrize("name", ["id", "split", "group", "a:b", "a/b", "a.b", " "])
def test_a_field_may_not_be_called_like_the_manifests_own_columns(tmp_path, name):
    project = pictures(tmp_path)
    project.field(name, "word", column="label")
    with pytest.raises(ConfigError, match=r"fields\."):
        project.ingest()


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("C:\\pictures\\a.bin", "absolute"),
        ("../outside.bin", "leaves the data folder"),
        ("inner/../../outside.bin", "leaves the data folder"),
        ("link.bin", "leaves the data folder"),
        ("nothing.bin", "no such file"),
        ("folder", "this is no file"),
        ("empty.bin", "empty"),
        ("a\0b", "cannot be followed"),
        ("x" * 5000, "cannot be followed"),
    ],
)
def test_a_path_that_cannot_be_used_is_refused_with_its_reason(tmp_path, cell, reason):
    project = pictures(tmp_path, max_broken=0.5)
    (tmp_path / "outside.bin").write_bytes(b"secret")
    os.symlink(tmp_path / "outside.bin", project.folder / "link.bin")
    (project.folder / "folder").mkdir()
    project.file("empty.bin", b"")
    project.rows([{"image": "0.bin", "label": "a"}, {"image": cell, "label": "b"}])
    manifest = project.ingest()
    assert manifest.ids == ["0"]
    assert reason in project.refused()["1"]
    assert str(tmp_path) not in project.paths.refused.read_text()


def test_a_link_inside_the_data_folder_is_followed(tmp_path):
    project = pictures(tmp_path)
    os.symlink(project.folder / "0.bin", project.folder / "link.bin")
    project.rows([{"image": "link.bin", "label": "a"}])
    assert project.ingest().cells("image") == ["link.bin"]


def test_a_duplicate_id_is_refused_and_names_the_first(tmp_path):
    project = texts(tmp_path, [{"text": "a", "id": 7}, {"text": "b", "id": 7}], id="id", max_broken=0.5)
    assert project.ingest().cells("text") == ["a"]
    assert "row 0 of the source has it already" in project.refused()["7"]


def test_a_row_without_an_id_is_refused(tmp_path):
    project = texts(tmp_path, [{"text": "a", "id": "x"}, {"text": "b", "id": None}], id="id", max_broken=0.5)
    project.ingest()
    assert project.refused() == {"row 1": "it has no id in column 'id'"}


@pytest.mark.parametrize("missing", [None, math.nan, "", "  "])
def test_a_cell_that_is_nan_or_blank_counts_as_missing_and_is_not_broken(tmp_path, missing):
    project = pictures(tmp_path)
    project.rows([{"image": "0.bin", "label": "a"}, {"image": "1.bin", "label": missing}])
    assert project.ingest().cells("label") == ["a", None]
    assert project.refused() == {}


def test_a_row_with_nothing_to_look_at_is_refused(tmp_path):
    project = pictures(tmp_path, max_broken=0.5)
    project.rows([{"image": "0.bin", "label": "a"}, {"image": None, "label": "a"}])
    project.ingest()
    assert project.refused() == {"1": "nothing to look at: image missing"}


def test_a_split_of_another_name_is_refused(tmp_path):
    rows = [{"text": "a"}, {"text": "b", "split": "Val"}, {"text": "c", "split": "later"}]
    project = texts(tmp_path, rows, max_broken=0.5)
    assert project.ingest().splits.tolist() == ["train", "validation"]
    assert "train, validation, test" in project.refused()["2"]


def test_more_broken_rows_than_allowed_fail_and_the_reasons_stay_to_be_read(tmp_path):
    project = pictures(tmp_path, max_broken=0.1)
    project.rows([{"image": name, "label": "a"} for name in ("0.bin", "1.bin", "gone.bin")])
    with pytest.raises(
        DataError, match=r"1 of 3 rows cannot be used: 33.3%.*allows 10.0%(?s:.*)'gone.bin': no such file"
    ):
        project.ingest()
    assert "no such file" in project.refused()["2"]
    assert not project.paths.manifest.exists()


def test_a_file_whose_content_stands_in_another_split_is_refused(tmp_path):
    project = pictures(tmp_path, max_broken=0.5)
    project.file("copy.bin", b"picture 0")
    rows = [{"image": "0.bin", "label": "a"}, {"image": "copy.bin", "label": "a", "split": "test"}]
    project.rows(rows)
    project.ingest()
    assert "its image is that of row '0' (train), and its own split is test" in project.refused()["1"]


def test_past_the_limit_content_in_two_splits_is_told_with_what_to_do(tmp_path):
    project = pictures(tmp_path)
    project.rows([{"image": "0.bin", "label": "a"}, {"image": "0.bin", "label": "a", "split": "test"}])
    with pytest.raises(DataError, match=r"data\.group"):
        project.ingest()


def test_equal_texts_may_stand_in_two_splits_where_a_column_says_so(tmp_path):
    project = texts(tmp_path, [{"text": "yes"}, {"text": "yes", "split": "test"}])
    assert project.ingest().splits.tolist() == ["train", "test"]


def test_validation_is_cut_from_train_by_group_where_the_column_names_none(tmp_path):
    rows = [{"text": f"{n}", "who": n // 4, "split": "test" if n >= 320 else "train"} for n in range(400)]
    project = texts(tmp_path, rows, group="who", split={"column": "split", "validation": 0.25})
    manifest = project.ingest()
    sizes = {name: len(manifest.rows(name)) for name in ("train", "validation", "test")}
    assert sizes["test"] == 80
    assert 30 < sizes["validation"] < 130
    assert all(len({*manifest.splits[start : start + 4]}) == 1 for start in range(0, 400, 4))


def test_a_share_that_no_group_fell_into_is_told(tmp_path):
    rows = [{"text": f"{n}"} for n in range(3)]
    project = texts(tmp_path, rows, split={"column": None, "validation": 0.0, "test": 0.001})
    with pytest.raises(DataError, match=r"no test rows.*data\.split\.test"):
        project.ingest()


def test_shares_that_leave_nothing_to_train_on_are_told(tmp_path):
    project = texts(tmp_path, [{"text": "a"}], split={"column": None, "validation": 0.5, "test": 0.5})
    with pytest.raises(ConfigError, match="leave nothing"):
        project.ingest()


def test_limit_keeps_every_split_and_spreads_over_groups(tmp_path):
    rows = [{"text": f"{n}", "who": n // 10, "split": "test" if n < 20 else "train"} for n in range(200)]
    manifest = texts(tmp_path, rows, group="who", limit=20).ingest()
    assert len(manifest) == 20
    assert len(manifest.rows("test")) == 2
    assert len(set(manifest.groups)) == 20


def test_limit_moves_no_row_to_another_split(tmp_path):
    rows = [{"text": f"{n}", "who": n // 3} for n in range(300)]
    split = {"column": None, "validation": 0.2, "test": 0.2}
    every = texts(tmp_path / "every", rows, group="who", split=split).ingest()
    some = texts(tmp_path / "some", rows, group="who", split=split, limit=50).ingest()
    whole = dict(zip(every.ids, every.splits, strict=True))
    assert {name: whole[name] for name in some.ids} == dict(zip(some.ids, some.splits, strict=True))


def test_the_order_of_rows_does_not_move_them(tmp_path):
    split = {"column": None, "validation": 0.2, "test": 0.2}
    rows = [{"text": f"{n}", "name": f"row {n}"} for n in range(100)]
    project = texts(tmp_path, rows, id="name", split=split)
    before = project.ingest()
    project.rows(rows[::-1])
    after = project.ingest()
    assert dict(zip(before.ids, before.splits, strict=True)) == dict(zip(after.ids, after.splits, strict=True))


def test_rows_that_are_added_move_no_other(tmp_path):
    split = {"column": None, "validation": 0.2, "test": 0.2}
    project = pictures(tmp_path, split=split, max_broken=0.5)
    names = [project.file(f"{n}.bin", b"picture %d" % (n % 90)) for n in range(150)]
    rows = [{"image": name, "label": "a"} for name in names]
    project.rows(rows[:100])
    before = project.ingest()
    project.rows(rows)
    after = project.ingest()
    assert after.splits[:100].tolist() == before.splits.tolist()
    by_content = {}
    for digest, place in zip(after.hashes("image"), after.splits, strict=True):
        by_content.setdefault(digest, set()).add(place)
    assert all(len(places) == 1 for places in by_content.values())


def test_a_field_whose_numbers_and_texts_are_mixed_becomes_text(tmp_path):
    project = Project(tmp_path)
    project.field("text", "word")
    project.field("number", "word", target=True)
    project.rows([{"text": "a", "number": 1}, {"text": "b", "number": "one"}])
    assert project.ingest().cells("number") == ["1", "one"]
    project.rows([{"text": "a", "number": 1}, {"text": "b", "number": 0.5}])
    assert project.ingest().cells("number") == [1.0, 0.5]
