"""Rows as programs have them: paths, NumPy's numbers, and what is no row."""

from pathlib import Path

import numpy as np
import pytest

from mmcore.errors import ConfigError, DataError
from mmcore.predictor import Predictor
from mmcore.predictor.rows import row_of
from mmcore.testing.toys import toy_plugins


def test_a_path_is_its_text_and_numbers_of_numpy_are_pythons_own():
    row = row_of({"photo": Path("a") / "b.png", "age": np.int64(7), "seen": np.bool_(True), "word": "x", "none": None})

    assert row == {"photo": "a/b.png", "age": 7, "seen": True, "word": "x", "none": None}
    assert [type(cell) for cell in row.values()] == [str, int, bool, str, type(None)]


@pytest.mark.parametrize("empty", [None, float("nan"), np.float32("nan")])
def test_what_a_data_frame_has_in_place_of_nothing_is_nothing(empty):
    assert row_of({"word": empty}) == {"word": None}


@pytest.mark.parametrize("cell", [b"x" * 2_000_000, np.zeros((64, 64, 3), np.uint8), ["a"] * 10_000])
def test_what_can_be_no_cell_is_told_in_short_with_its_type(cell):
    with pytest.raises(DataError, match=f"photo: a cell is a text, .* of the type {type(cell).__name__}") as caught:
        row_of({"photo": cell})
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("rows", [{"vector": "1 2 3"}, ["vector"], [None]])
def test_what_is_no_row_is_told_with_what_to_write(predictor, rows):
    with pytest.raises(ConfigError, match=r"Put \[ \] round a single row"):
        predictor.predict(rows)


def test_the_error_of_a_row_is_the_rows_own_with_its_number(predictor):
    row = {"vector": "nonsense"}
    (alone,) = predictor.predict_each([row])

    with pytest.raises(DataError) as caught:
        predictor.predict([row])

    assert str(caught.value) == f"row 1: {alone}"
    assert caught.value.path == alone.path == "nonsense"


def test_texts_name_folders_as_paths_do(predictor, folder, tmp_path):
    row = {"vector": "1 2 3", "sequence": "it is"}

    assert Predictor.load(str(folder), toy_plugins()).predict([row], str(tmp_path)) == predictor.predict([row])
