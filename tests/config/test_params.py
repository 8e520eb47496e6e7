from pathlib import Path

import pytest

from mmcore.config.params import Params, load_params
from mmcore.errors import ConfigError
from mmcore.registry.settings import Part
from mmcore.training.settings import TrainingSettings

FIELD = {"column": "c", "modality": {"name": "image", "size_px": 8}, "fit": ["b"], "code": "x.py"}
VALUES = {
    "training": {"monitor": "a/b", "lr": "1e-3"},
    "fields": {"b": FIELD, "a": {**FIELD, "encoder": {"name": "cnn"}}},
    "tasks": {"t": {"name": "classification", "weight": 2.0}},
}


def test_a_declared_section_comes_as_its_settings():
    found = Params(VALUES, ["training"]).get("training", TrainingSettings)

    assert found.lr == 0.001
    assert found.epochs == TrainingSettings("a/b").epochs


def test_a_key_below_a_declared_one_may_be_read():
    params = Params(VALUES, ["fields.b"])

    assert params.get("fields.b.modality", Part) == Part("image", {"size_px": 8})
    assert params.get("fields.b.fit", tuple[str, ...]) == ("b",)


@pytest.mark.parametrize("key", ["training", "fields", "fields.a", "fields.bb"])
def test_a_key_that_was_not_declared_is_refused(key):
    with pytest.raises(ConfigError, match=rf"'{key}' was asked of params.yaml but is not declared. Declared: fields.b"):
        Params(VALUES, ["fields.b"]).get(key, object)


def test_a_declared_key_that_is_missing_is_told_at_once():
    with pytest.raises(ConfigError, match=r"no 'fields.c.modality'. In fields there is: a, b. Run `mm compose`"):
        Params(VALUES, ["fields.c.modality"])


def test_a_misspelt_section_gets_the_nearest_one():
    with pytest.raises(ConfigError, match=r"no 'trainin'. Did you mean 'training'\?"):
        Params(VALUES, ["trainin"])


def test_fields_and_tasks_come_sorted():
    params = Params(VALUES, ["fields", "tasks"])

    assert list(params.fields()) == ["a", "b"]
    assert params.fields()["a"].encoder == Part("cnn", {})
    assert params.tasks() == {"t": Part("classification", {"weight": 2.0})}


def test_a_wrong_value_is_told_with_its_key():
    with pytest.raises(ConfigError, match=r"training.epochs must be between 1 and inf but got 0"):
        Params({"training": {"monitor": "a/b", "epochs": 0}}, ["training"]).get("training", TrainingSettings)


@pytest.mark.parametrize("weight", ["lots", -1, True, None])
def test_a_weight_that_is_none_is_told_to_the_stages_too(weight):
    values = {"tasks": {"t": {"name": "classification", "weight": weight}}}
    with pytest.raises(ConfigError, match=r"tasks\.t\.weight must be"):
        Params(values, ["tasks"]).tasks()


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no params.yaml .* Run `mm compose`"):
        load_params(tmp_path / "params.yaml", ["training"])


@pytest.mark.parametrize("text", ["a: [", "- a", "", "\xff"])
def test_a_file_that_is_no_mapping_is_told(tmp_path: Path, text):
    file = tmp_path / "params.yaml"
    file.write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigError, match=r"params.yaml"):
        load_params(file, ["training"])
