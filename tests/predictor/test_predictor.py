import shutil
import subprocess
import sys

import numpy as np
import pytest

from mmcore.errors import ArtifactError, DataError
from mmcore.predictor import Predictor
from mmcore.testing.toys import toy_plugins, toy_rows

ROW = {"vector": "0.5 -0.25 0.125", "sequence": "it is not"}


def test_a_row_gets_a_label_with_its_probability_and_those_of_all_labels(predictor):
    (answers,) = predictor.predict([ROW])

    answer = answers["answer"]
    assert set(answer["probabilities"]) == {"up", "down"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["probability"] == max(answer["probabilities"].values()) == answer["probabilities"][answer["label"]]


def test_the_most_probable_label_comes_first(predictor):
    (answers,) = predictor.predict([ROW])

    assert next(iter(answers["answer"]["probabilities"])) == answers["answer"]["label"]


@pytest.mark.parametrize("shares", [[0.1, 0.2, 0.7], 0.5, [[0.1, 0.9], [0.2, 0.8]]])
def test_probabilities_that_are_not_those_of_the_labels_are_told_as_they_are(predictor, monkeypatch, shares):
    task = predictor.model.each_task()["answer"]
    monkeypatch.setattr(task, "predict", lambda outputs: {"probabilities": np.array([shares, shares])})

    assert predictor.predict([ROW, ROW]) == [{"answer": {"probabilities": shares}}] * 2


def test_probabilities_of_a_task_whose_target_has_no_labels_are_told_as_they_are(predictor, monkeypatch):
    task, told = predictor.model.each_task()["answer"], {"dose": 1.5, "probabilities": [0.25, 0.75]}
    monkeypatch.setattr(task, "predict", lambda outputs: {name: np.array([value]) for name, value in told.items()})
    monkeypatch.setattr(task, "targets", ("vector",))

    assert predictor.predict([ROW]) == [{"answer": told}]


def test_a_label_that_is_no_class_has_no_probability(predictor, monkeypatch):
    task, shares = predictor.model.each_task()["answer"], np.array([[0.25, 0.75]])
    monkeypatch.setattr(task, "predict", lambda outputs: {"label": np.array(["unsure"]), "probabilities": shares})

    answer = predictor.predict([ROW])[0]["answer"]

    assert answer == {"label": "unsure", "probabilities": {"up": 0.75, "down": 0.25}}


def test_a_task_that_tells_nothing_leaves_the_row_its_place(predictor, monkeypatch):
    monkeypatch.setattr(predictor.model.each_task()["answer"], "predict", lambda outputs: {})

    assert predictor.predict([ROW, ROW]) == [{"answer": {}}] * 2


def test_answers_come_in_the_order_of_the_rows_whatever_the_batch_size(predictor):
    rows = [{name: cell for name, cell in row.items() if name != "label"} for row in toy_rows(7)]

    together = predictor.predict(rows)
    one_by_one = predictor.predict(rows, batch_size=1)

    assert [answers["answer"]["label"] for answers in together] == [each["answer"]["label"] for each in one_by_one]
    for some, single in zip(together, one_by_one, strict=True):
        assert some["answer"]["probability"] == pytest.approx(single["answer"]["probability"], abs=1e-5)


def test_no_rows_give_no_answers(predictor):
    assert predictor.predict([]) == []


def test_a_field_may_be_called_by_its_column_in_training(predictor):
    by_column = {"numbers": ROW["vector"], "words": ROW["sequence"]}

    assert predictor.predict([by_column]) == predictor.predict([ROW])


@pytest.mark.parametrize("lacking", ["vector", "sequence"])
def test_a_field_that_is_left_out_is_absent_as_one_that_is_none(predictor, lacking):
    left_out = {name: cell for name, cell in ROW.items() if name != lacking}

    assert predictor.predict([left_out]) == predictor.predict([{**ROW, lacking: None}])
    assert predictor.predict([left_out]) != predictor.predict([ROW])


def test_a_target_that_is_known_already_changes_nothing(predictor):
    assert predictor.predict([{**ROW, "label": "never seen"}]) == predictor.predict([ROW])


def test_an_unknown_field_is_refused_with_the_name_that_was_meant(predictor):
    with pytest.raises(DataError, match=r"row 2: the model has no field 'vectr'. Did you mean 'vector'\? It looks at"):
        predictor.predict([ROW, {"vectr": "1 2 3"}])


def test_a_field_given_by_both_of_its_names_is_refused(predictor):
    with pytest.raises(DataError, match="'vector' is given twice"):
        predictor.predict([{**ROW, "numbers": "1 2 3"}])


def test_a_row_without_any_input_is_refused(predictor):
    with pytest.raises(DataError, match="give at least one of sequence, vector"):
        predictor.predict([{"vector": None}])


def test_a_cell_that_cannot_be_read_names_its_row(predictor):
    with pytest.raises(DataError, match=r"row 3: .*no vector"):
        predictor.predict([ROW, ROW, {**ROW, "vector": "nonsense"}])


def test_one_broken_row_does_not_take_the_answers_of_the_others(predictor):
    rows = [ROW, {**ROW, "vector": "nonsense"}, ROW]

    first, broken, last = predictor.predict_each(rows, batch_size=2)

    assert isinstance(broken, DataError)
    assert first == last == predictor.predict([ROW])[0]


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="is no model folder"):
        Predictor.load(tmp_path, toy_plugins())


WITHOUT_THE_REST = """
import builtins, sys

class Blocked:
    names = ("dvc", "prefect", "hydra", "omegaconf", "optuna", "matplotlib", "jinja2")
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, Blocked())
import socket
def no_network(*args, **kwargs): raise AssertionError("the network was asked")
socket.socket.connect = no_network

from pathlib import Path
from mmcore.predictor import Predictor
from mmcore.testing.toys import toy_plugins
answers = Predictor.load(Path("model"), toy_plugins()).predict([{"vector": "0.5 -0.25 0.125", "sequence": "it is not"}])
print(answers[0]["answer"]["label"])
"""


@pytest.mark.slow  # a process of its own that imports torch
def test_a_model_folder_answers_without_the_libraries_of_training_and_without_a_network(folder, predictor, tmp_path):
    shutil.copytree(folder, tmp_path / "model")

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_REST], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == predictor.predict([ROW])[0]["answer"]["label"]


@pytest.mark.parametrize("blank", ["", "  ", float("nan"), None])
def test_a_blank_cell_is_missing_as_in_a_table(predictor, blank):
    assert predictor.predict([{"numbers": "1 2 3", "words": blank}]) == predictor.predict([{"numbers": "1 2 3"}])
    with pytest.raises(DataError, match="nothing to look at"):
        predictor.predict([{"words": blank}])
