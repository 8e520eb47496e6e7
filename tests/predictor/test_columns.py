"""A field of several columns, in use."""

import pytest

from mmcore.errors import DataError
from mmcore.model.folder import load_model, save_model
from mmcore.predictor import Predictor
from mmcore.testing.toys import toy_plugins


@pytest.fixture(scope="module")
def predictor(folder, tmp_path_factory):
    saved, made = load_model(folder, plugins=toy_plugins()), tmp_path_factory.mktemp("several") / "model"
    columns = {"vector": ("x", "y"), "sequence": "words", "label": "truth"}
    save_model(made, saved.model, plan=saved.plan, modalities=saved.modalities, columns=columns, plugins=toy_plugins())
    return Predictor.load(made, toy_plugins())


def test_each_column_and_the_fields_own_name_mean_the_field(predictor):
    assert {name: predictor.columns[name] for name in ("x", "y", "vector")} == dict.fromkeys(
        ("x", "y", "vector"), "vector"
    )


def test_columns_reach_the_modality_as_one_object(predictor):
    with pytest.raises(DataError, match='"x": 1, "y": null'):
        predictor.predict([{"x": 1, "words": "it is"}])


def test_a_row_without_any_of_the_columns_is_answered_without_the_field(predictor):
    assert predictor.predict([{"words": "it is"}]) == predictor.predict([{"words": "it is", "x": None, "y": None}])


def test_the_whole_field_beside_one_of_its_columns_is_refused(predictor):
    with pytest.raises(DataError, match="given twice"):
        predictor.predict([{"vector": "1 2 3", "x": 1}])


def test_what_a_table_lacks_is_told_column_by_column(predictor):
    assert predictor.lacking(["x", "words"]) == ["y"]
    assert predictor.lacking(["vector"]) == ["sequence"]
    assert predictor.lacking([]) == ["sequence", "vector"]
