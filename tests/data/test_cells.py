import json
import math

import pytest

from mmcore.data.cells import Columns, MadeOf, cell_of, compared, name_of
from mmcore.errors import DataError


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


PERSON: dict[str, Columns] = {"person": ("age", "class"), "text": "words"}
NAMESAKE: dict[str, Columns] = {"age": ("age", "class"), "text": "words"}


def test_a_row_in_use_gives_fields_by_their_columns_or_whole():
    by_columns = MadeOf(PERSON).cells({"age": 3, "words": "a"}, PERSON)

    assert by_columns == {"person": '{"age": 3, "class": null}', "text": "a"}
    assert MadeOf(PERSON).cells({"person": "{}", "text": "a"}, PERSON) == {"person": "{}", "text": "a"}
    assert MadeOf(PERSON).cells({"words": "a"}, PERSON) == {"text": "a"}
    assert MadeOf(PERSON).cells({"age": 3, "words": "a"}, ["text"]) == {"text": "a"}


def test_a_column_that_another_field_has_alone_serves_both():
    fields: dict[str, Columns] = {"person": ("age", "class"), "target": "age"}

    assert MadeOf(fields).cells({"age": 3, "class": "a"}, fields) == {"target": 3, "person": '{"age": 3, "class": "a"}'}
    assert MadeOf(fields).cells({"age": 3, "person": "{}"}, fields) == {"target": 3, "person": "{}"}


@pytest.mark.parametrize("cell", [3, "3", '{"other": 3}', "{3", "[3]"])
def test_a_fields_name_among_its_own_columns_is_that_column(cell):
    row = {"age": cell, "class": "a"}

    assert MadeOf(NAMESAKE).cells(row, ["age"]) == {"age": cell_of(row, ("age", "class"))}
    assert MadeOf({"age": ("age",)}).cells({"age": cell}, ["age"]) == {"age": json.dumps({"age": cell})}


def test_an_object_of_its_columns_under_a_fields_name_is_the_field_whole():
    cell = '{"age": 3, "class": "a"}'

    assert MadeOf(NAMESAKE).cells({"age": cell, "class": None}, ["age"]) == {"age": cell}
    with pytest.raises(DataError, match="'age' is given twice: by its own name and as class"):
        MadeOf(NAMESAKE).cells({"age": cell, "class": "a"}, ["age"])


def test_a_fields_name_that_another_fields_column_has_means_the_column():
    fields: dict[str, Columns] = {"person": ("age", "class"), "age": ("years", "months"), "class": "age"}
    row = {"age": 3, "class": "a", "years": 1, "months": 2}

    assert MadeOf(fields).cells(row, fields) == {
        "person": '{"age": 3, "class": "a"}',
        "age": '{"years": 1, "months": 2}',
        "class": 3,
    }


@pytest.mark.parametrize("missing", [None, math.nan, "", " "])
def test_a_missing_cell_does_not_count_as_given(missing):
    assert MadeOf(PERSON).cells({"person": missing, "age": 3}, ["person"]) == MadeOf(PERSON).cells(
        {"age": 3}, ["person"]
    )
    assert MadeOf(PERSON).cells({"person": "{}", "age": missing, "class": missing}, ["person"]) == {"person": "{}"}
    assert MadeOf(PERSON).cells({"text": missing, "words": "a"}, ["text"]) == {"text": "a"}


def test_a_table_with_a_fields_columns_is_read_without_what_is_merely_called_so():
    row = {"age": 3, "class": None, "person": "id-7", "text": "id-7", "words": None}

    assert MadeOf(PERSON).as_in_training(row) == {"age": 3, "class": None, "words": None}
    assert MadeOf(PERSON).as_in_training({"text": "a"}) == {"text": "a"}
    assert MadeOf(NAMESAKE).as_in_training({"age": 3, "class": 1}) == {"age": 3, "class": 1}


def test_an_object_in_a_table_says_what_columns_without_cells_do_not():
    row = {"age": None, "class": None, "person": '{"age": 3}'}

    assert MadeOf(PERSON).as_in_training(row) == row
    assert MadeOf(PERSON).as_in_training({**row, "age": 4}) == {"age": 4, "class": None}


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
