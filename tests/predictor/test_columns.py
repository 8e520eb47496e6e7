"""A field of several columns, in use."""

import pytest

from mmcore.errors import DataError
from mmcore.model.folder import load_model, save_model
from mmcore.predictor import Predictor
from mmcore.testing.toys import toy_plugins


def with_columns(folder, made, **columns):
    saved = load_model(folder, plugins=toy_plugins())
    save_model(made, saved.model, plan=saved.plan, modalities=saved.modalities, columns=columns, plugins=toy_plugins())
    return Predictor.load(made, toy_plugins())


@pytest.fixture(scope="module")
def predictor(folder, tmp_path_factory):
    made = tmp_path_factory.mktemp("several") / "model"
    return with_columns(folder, made, vector=("x", "y"), sequence="words", label="truth")


def test_each_column_and_the_fields_own_name_mean_the_field(predictor):
    assert {predictor.columns[name] for name in ("x", "y", "vector")} == {("vector",)}


def test_columns_reach_the_modality_as_one_object(predictor):
    with pytest.raises(DataError, match='"x": 1, "y": null'):
        predictor.predict([{"x": 1, "words": "it is"}])


def test_a_row_without_any_of_the_columns_is_answered_without_the_field(predictor):
    assert predictor.predict([{"words": "it is"}]) == predictor.predict([{"words": "it is", "x": None, "y": None}])


def test_the_whole_field_beside_one_of_its_columns_is_refused(predictor):
    with pytest.raises(DataError, match="given twice"):
        predictor.predict([{"vector": "1 2 3", "x": 1}])


def test_a_missing_cell_beside_the_columns_is_not_given_twice(predictor):
    with pytest.raises(DataError, match='"x": 1, "y": null'):
        predictor.predict([{"vector": None, "x": 1}])
    assert predictor.predict([{"vector": "1 2 3", "x": None}]) == predictor.predict([{"vector": "1 2 3"}])


def test_a_field_that_is_called_as_one_of_its_columns_takes_them_as_training_did(folder, tmp_path):
    found = with_columns(folder, tmp_path / "model", vector=("vector", "y"), sequence="words", label="truth")

    with pytest.raises(DataError, match='"vector": 1, "y": 2'):
        found.predict([{"vector": 1, "y": 2}])
    assert found.lacking(["vector", "words"]) == ["y"]


def test_what_a_table_lacks_is_told_column_by_column(predictor):
    assert predictor.lacking(["x", "words"]) == ["y"]
    assert predictor.lacking(["vector"]) == ["sequence"]
    assert predictor.lacking([]) == ["sequence", "vector"]


def test_a_column_of_two_fields_is_given_to_both(folder, tmp_path):
    found = with_columns(folder, tmp_path / "model", vector="it", sequence="it", label="truth")

    assert found.columns["it"] == ("sequence", "vector")
    assert found.lacking(["it"]) == []
    assert found.predict([{"it": "1 2 3"}]) == found.predict([{"vector": "1 2 3", "sequence": "1 2 3"}])
    assert found.predict([{"it": "1 2 3"}]) != found.predict([{"vector": "1 2 3"}])
    assert found.predict([{"it": "1 2 3", "sequence": "2"}]) == found.predict([{"vector": "1 2 3", "sequence": "2"}])


def test_a_column_that_is_called_as_another_field_means_those_that_have_it(folder, tmp_path):
    found = with_columns(folder, tmp_path / "model", vector="numbers", sequence="vector", label="truth")

    by_columns = found.predict([{"numbers": "1 2 3", "vector": "2"}])

    assert by_columns == found.predict([{"numbers": "1 2 3", "sequence": "2"}])
    assert found.lacking(["vector"]) == ["vector"]
