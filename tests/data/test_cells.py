import json
import math

import pytest

from mmcore.data.cells import cell_of, packed


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
