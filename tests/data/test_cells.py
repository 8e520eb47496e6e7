import json
import math

import pytest

from mmcore.data.cells import cell_of, compared, name_of, packed


@pytest.mark.parametrize("cell", [None, math.nan, "", "  "])
def test_nothing_nan_and_blanks_are_missing(cell):
    assert cell_of({"a": cell}, "a") is None
    assert cell_of({}, "a") is None


def test_several_columns_become_one_object_in_the_order_given():
    row = {"age": 31, "class": "三等", "fare": math.nan, "other": 1}
    cell = cell_of(row, ("class", "age", "fare"))
    assert cell == '{"class": "三等", "age": 31, "fare": null}'


def test_several_columns_that_are_all_missing_are_a_missing_cell():
    assert cell_of({"age": None, "class": " "}, ("age", "class")) is None


def test_an_infinite_number_is_kept_for_the_modality_to_judge():
    assert json.loads(cell_of({"a": math.inf, "b": 1}, ("a", "b")))["a"] == math.inf


def test_a_row_in_use_has_its_columns_packed_under_the_fields_name():
    fields = {"person": ("age", "class"), "text": "words"}
    assert packed({"age": 3, "words": "a"}, fields) == {"words": "a", "person": '{"age": 3, "class": null}'}


def test_a_field_that_is_given_whole_or_not_at_all_stays_as_it_is():
    fields = {"person": ("age", "class"), "text": "words"}
    assert packed({"person": "{}"}, fields) == {"person": "{}"}
    assert packed({"words": "a"}, fields) == {"words": "a"}


def test_a_column_that_another_field_has_alone_serves_both():
    row = packed({"age": 3, "class": "a"}, {"person": ("age", "class"), "target": "age"})
    assert row == {"age": 3, "person": '{"age": 3, "class": "a"}'}


@pytest.mark.parametrize("cell", [9, 9.0, "9", "9.0", " 9 ", "9.", "0.9e1"])
def test_a_number_counts_as_the_same_however_it_is_spelled(cell):
    assert (compared(cell), type(compared(cell))) == (9, int)
    assert compared(f'{{"a": {json.dumps(cell)}, "b": "x"}}') == '{"a": 9, "b": "x"}'


@pytest.mark.parametrize(
    "cell", ["007", "a", "1_0", True, 0.5, 2**80, "9" * 5000, '{"a":7,"b":[7.0]}', "{a", "[7.0]", math.inf]
)
def test_what_is_no_number_in_another_spelling_counts_as_it_is(cell):
    assert repr(compared(cell)) == repr(cell)


@pytest.mark.parametrize("cells", [("1.1", "1.10"), ("1e5", "100000"), ("1e999", "2e999"), ("7", "07"), (1, 1.5)])
def test_names_that_are_written_otherwise_are_other_names(cells):
    assert len(set(map(name_of, cells))) == 2


@pytest.mark.parametrize("cell", [7, 7.0, "7", "7.0", " 7 "])
def test_a_whole_number_has_one_name(cell):
    assert name_of(cell) == "7"
