import json

import pytest
from rich.cells import cell_len

from mmcore.cli import predict
from mmcore.errors import ConfigError, DataError
from mmcore.model.assemble import assemble
from mmcore.model.folder import save_model
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.predictor import Predictor, Told
from mmcore.registry.settings import Part
from mmcore.testing.toys import toy_modalities, toy_plugins

PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "label": Part("label", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {}))},
    fusion=Part("toy_concat", {}),
    tasks={"answer": Part("toy_classification", {"target": "label"})},
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A toy model, whose plugins `mm predict` finds as if they were installed."""
    modalities = {name: modality for name, modality in toy_modalities().items() if name in PLAN.modalities}
    model = assemble(PLAN, modalities, seed=0, plugins=toy_plugins())
    columns = {name: name for name in modalities}
    save_model(tmp_path / "m", model, plan=PLAN, modalities=modalities, columns=columns, plugins=toy_plugins())
    loaded = Predictor.load(tmp_path / "m", toy_plugins())
    monkeypatch.setattr(predict.Predictor, "load", lambda folder: loaded)
    return tmp_path / "m"


def test_an_answer_is_told_with_a_bar_for_each_label(folder, capsys):
    predict.ask_row(folder, ["vector=1 2 3"], as_json=False)

    said, *bars = capsys.readouterr().out.splitlines()
    assert said in ("answer: up", "answer: down")
    assert bars[0].split()[0] == said.split()[1]
    assert len(bars) == 2


def test_for_programs_the_answer_is_json_with_every_probability(folder, capsys):
    predict.ask_row(folder, ["vector=1 2 3"], as_json=True)

    answer = json.loads(capsys.readouterr().out)["answer"]
    assert set(answer) == {"label", "probability", "probabilities"}


def test_bars_stand_under_each_other_whatever_the_script():
    answer = {"label": "圆形", "probabilities": {"圆形": 0.75, "长方形": 0.25, "no": 0.0}}

    _, *bars = predict.in_words("answer", answer)

    assert len({cell_len(bar) for bar in bars}) == 1


def test_an_answer_that_is_no_label_is_told_with_its_names():
    assert list(predict.in_words("price", {"value": 12.5})) == ["price: value 12.5"]


def test_a_text_is_told_with_its_score_and_a_vector_by_its_length():
    assert list(predict.in_words("say", {"text": "a cat", "score": -1.23456789})) == ["say: a cat, score -1.23457"]
    assert list(predict.in_words("near", {"image": [0.1] * 128})) == ["near: image (128 numbers)"]


def test_probabilities_that_are_of_no_labels_are_told_by_how_many_there_are():
    told = {"probability": 0.25, "probabilities": [0.25, 0.5, 0.25]}

    assert list(predict.in_words("dose", told)) == ["dose: probability 0.25, probabilities (3 numbers)"]


def test_a_value_may_hold_an_equals_sign(folder):
    with pytest.raises(DataError, match="1=2"):
        predict.ask_row(folder, ["vector=1=2"], as_json=False)


@pytest.mark.parametrize("words", [["--vector", "1 2 3"], ["--vector=1 2 3"]])
def test_a_field_is_an_option_too(folder, capsys, words):
    predict.ask_row(folder, ["vector=1 2 3"], as_json=False)
    predict.ask_row(folder, [], words, as_json=False)

    said = capsys.readouterr().out.splitlines()
    assert said[: len(said) // 2] == said[len(said) // 2 :] != []


@pytest.mark.parametrize(
    ("fields", "words", "said"),
    [
        ([], [], "Nothing is asked"),
        (["vector"], [], "must be NAME=VALUE"),
        (["vector=1", "vector=2"], [], "given twice"),
        (["vector=1"], ["--vector", "2"], "vector is given twice"),
        ([], ["--vector", "1", "--vector", "2"], "vector is given twice"),
        ([], ["--vectr", "1"], r"--vectr is no field .* Did you mean 'vector'.* Options: --table"),
        ([], ["--vector", "1", "2", "3"], r"'2 3' belongs to no field. Write --NAME VALUE: vector"),
        ([], ["--vector"], "--vector has no value"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, fields, words, said):
    with pytest.raises(ConfigError, match=said):
        predict.ask_row(folder, fields, words, options=["--table"], as_json=False)


def test_an_ending_that_cannot_be_written_is_told_before_anything_is_predicted(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "answer_table", lambda *_: pytest.fail("it predicted"))
    with pytest.raises(DataError, match="use csv, jsonl, parquet"):
        predict.ask_table(folder, tmp_path / "t.csv", [], out=tmp_path / "out.xlsx", as_json=False)


def test_a_table_and_a_row_do_not_go_together(folder, tmp_path):
    with pytest.raises(ConfigError, match="--table does not go with vector=1"):
        predict.ask_table(folder, tmp_path / "t.csv", ["vector=1"], out=None, as_json=False)


@pytest.mark.parametrize(("ending", "told"), [("csv", True), ("parquet", True), ("jsonl", False)])
def test_a_table_without_its_vectors_says_what_has_them(folder, tmp_path, monkeypatch, capsys, ending, told):
    rows = [{"id": "a", "near:vector": [0.1] * 4}, {"id": "b", "error": "broken"}]
    monkeypatch.setattr(predict, "answer_table", lambda *_: Told(rows, [], 0))

    predict.ask_table(folder, tmp_path / "t.csv", [], out=tmp_path / f"out.{ending}", as_json=False)

    said = capsys.readouterr().err
    assert bool(said) == told
    assert not told or ("near:vector" in said and ".jsonl has them" in said)


def test_a_printed_table_names_json_for_its_vectors(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "answer_table", lambda *_: Told([{"near:vector": [0.1] * 4}], [], 0))

    predict.ask_table(folder, tmp_path / "t.csv", [], out=None, as_json=False)
    assert "--json has them" in capsys.readouterr().err
    predict.ask_table(folder, tmp_path / "t.csv", [], out=None, as_json=True)
    assert not capsys.readouterr().err


def test_a_task_with_nothing_to_say_says_so():
    assert list(predict.in_words("near", {})) == ["near: nothing"]
