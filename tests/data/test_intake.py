import pytest

from mmcore.data.intake import Intake, Wanted
from mmcore.data.quarantine import Broken, read_broken, write_broken


def kin(row, **settings):
    wanted = Wanted({name: name for name in row}, inputs=frozenset(row), **settings)
    return wanted, row


def sample(base, row, **settings):
    wanted, row = kin(row, **settings)
    return Intake(wanted, base).take(0, row)


def test_the_group_of_a_row_with_a_file_is_the_files_content(tmp_path):
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    one, other = (sample(tmp_path, {"image": name}, files=frozenset({"image"})) for name in "ab")
    assert one.group == other.group == one.hashes["image"]
    assert one.keys == other.keys


def test_the_group_of_a_row_without_a_file_is_its_id(tmp_path):
    row = {"text": "a", "name": "x"}
    assert sample(tmp_path, row, id="name").group == "x"


def test_without_an_id_the_content_is_the_group_so_that_it_stays_where_rows_are_put_in_between(tmp_path):
    intake = Intake(Wanted({"text": "text"}, inputs=frozenset({"text"})), tmp_path)
    assert intake.take(0, {"text": "a"}).group == intake.take(7, {"text": "a"}).group


def test_equal_inputs_are_kin_and_targets_are_not(tmp_path):
    wanted = Wanted({"text": "text", "label": "label"}, inputs=frozenset({"text"}))
    intake = Intake(wanted, tmp_path)
    one = intake.take(0, {"text": "a", "label": 1})
    other = intake.take(1, {"text": "a", "label": 2})
    third = intake.take(2, {"text": "b", "label": 1})
    assert one.keys == other.keys
    assert not set(one.keys.values()) & set(third.keys.values())


def test_a_group_column_has_the_last_word_over_equal_values(tmp_path):
    wanted = Wanted({"text": "text"}, inputs=frozenset({"text"}), group="who")
    intake = Intake(wanted, tmp_path)
    one, other = intake.take(0, {"text": "yes", "who": 1}), intake.take(1, {"text": "yes", "who": 2})
    assert not set(one.keys.values()) & set(other.keys.values())
    assert (one.group, other.group) == ("1", "2")


def test_target_files_are_hashed_but_tie_nothing_together(tmp_path):
    (tmp_path / "mask").write_bytes(b"black")
    wanted = Wanted({"text": "text", "mask": "mask"}, inputs=frozenset({"text"}), files=frozenset({"mask"}))
    found = Intake(wanted, tmp_path).take(0, {"text": "a", "mask": "mask"})
    assert len(found.hashes["mask"]) == 64
    assert list(found.keys) == ["content"]


@pytest.mark.parametrize("column", ["text", "age", "label", "who", "when", "where", "key"])
def test_a_row_with_half_a_sign_is_put_aside_with_its_place_and_the_others_are_taken(tmp_path, column):
    fields = {"text": "text", "both": ("age", "text"), "label": "label"}
    wanted = Wanted(fields, inputs=frozenset({"text", "both"}), id="key", group="who", split="when", slices=("where",))
    row = dict.fromkeys(("text", "age", "label", "who", "where"), "\U0001f600") | {"when": "train", "key": "a"}
    intake = Intake(wanted, tmp_path)
    broken = intake.take(0, row | {column: "cut \ud83d"})
    assert isinstance(broken, Broken)
    assert "half of a sign" in broken.reason
    assert r"\ud83d" in f"{broken.id} {broken.cell} {broken.reason}"
    write_broken(tmp_path / "refused.jsonl", [broken])
    assert read_broken(tmp_path / "refused.jsonl") == [broken]
    assert intake.take(1, row | {"key": "b"}).id == "b"
