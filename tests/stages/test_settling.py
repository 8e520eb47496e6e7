"""What a task settles on the validation rows is what is scored, kept, saved and told."""

import csv
import json

import pytest
from mm_tasks.deciding import f1_threshold

from mmcore.data.parquet import read_parquet
from mmcore.evaluation.predict import predict
from mmcore.model.folder import load_model
from mmcore.predictor import Predictor
from mmcore.stages import evaluate, floors
from mmcore.stages.inputs import open_inputs
from mmcore.stages.report import galleries
from tests.stages import table

TASK = {"name": "classification", "target": "label", "decide": "f1"}


@pytest.fixture(scope="module", params=["best", "mean"])
def project(request, tmp_path_factory):
    """A rare class whose F1 is what matters."""
    training = {"monitor": "label/f1", "epochs": 4, "batch_size": 32, "lr": 0.01, "threads": 1, "keep": request.param}
    settings, paths = table.trained(
        tmp_path_factory.mktemp("settled"), table.rows(400, shift=-1.0), tasks={"label": TASK}, training=training,
        floors={"fusion": {"name": "concat"}},
    )  # fmt: skip
    return settings, paths


def judged(settings, paths, split):
    saved = load_model(paths.model)
    inputs = open_inputs(settings.fields(), paths, modalities=saved.modalities, model=saved.model)
    return saved, predict(saved.model, inputs.batches(split, batch_size=64), modalities=inputs.raw)["label"].known()


def test_the_saved_model_holds_the_threshold_of_its_own_validation_rows(project):
    settings, paths = project
    saved, known = judged(settings, paths, "validation")

    threshold = float(saved.model.each_task()["label"].choice.threshold)

    assert threshold < 0.49
    expected = f1_threshold(known.predictions["probabilities"][:, 1], known.truth["class"] == 1)
    assert threshold == pytest.approx(expected)


@pytest.mark.parametrize("project", ["best"], indirect=True)
def test_the_score_of_the_epoch_that_was_kept_is_that_of_the_model(project):
    settings, paths = project
    saved, known = judged(settings, paths, "validation")
    with paths.learning.open() as file:
        curve = [float(row["label/f1"]) for row in csv.DictReader(file)]

    score = saved.model.each_task()["label"].metrics()["f1"](known.predictions, known.truth)

    assert score == pytest.approx(max(curve))


def test_what_is_told_is_told_with_its_own_probability(project):
    _, paths = project
    predictor = Predictor.load(paths.model)
    rows = [{"x": json.dumps({"x": number / 10})} for number in range(-30, 30)]

    answers = [one["label"] for one in predictor.predict_each(rows)]

    assert {answer["label"] for answer in answers} == {"no", "yes"}
    assert all(answer["probability"] == answer["probabilities"][answer["label"]] for answer in answers)
    assert min(answer["probability"] for answer in answers) < 0.5


def test_its_floor_says_the_class_that_counts_for_f1_and_the_most_frequent_one_for_the_rest(project):
    settings, paths = project
    floors.run(settings, paths)
    evaluate.run(settings, paths)
    _, known = judged(settings, paths, "test")

    found = json.loads(paths.metrics.read_text())

    share = (known.truth["class"] == 1).mean()
    assert found["label/f1/floor/majority"] == pytest.approx(2 * share / (1 + share))
    assert share < 0.4
    assert found["label/accuracy/floor/majority"] == pytest.approx(1 - share)
    assert found["label/macro_f1/floor/majority"] == pytest.approx((1 - share) / (2 - share))


def test_the_report_shows_the_probability_of_what_was_said(project):
    _, paths = project
    saved, predictions = load_model(paths.model), read_parquet(paths.predictions)
    said = {row["id"]: row["label:probability"] for row in predictions.to_pylist()}

    shown = [
        example
        for gallery in galleries(
            "label", saved.model.each_task()["label"], predictions, saved=saved, paths=paths, count=40
        )
        for example in gallery.examples
    ]

    assert {example.id: example.confidence for example in shown} == {example.id: said[example.id] for example in shown}
    assert min(example.confidence for example in shown) < 0.5


def test_without_validation_rows_the_threshold_stays(tmp_path):
    split = {"validation": 0.0, "test": 0.3}
    settings = table.params(tmp_path)
    data = {**settings.values["data"], "split": split}
    _, paths = table.trained(
        tmp_path, table.rows(60), data=data, tasks={"label": TASK},
        training={"monitor": "label/f1", "epochs": 1, "batch_size": 32, "threads": 1},
    )  # fmt: skip

    assert float(load_model(paths.model).model.each_task()["label"].choice.threshold) == 0.5
