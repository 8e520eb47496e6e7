"""From a CSV table to answers, by names in the configuration alone."""

import csv
import json
import random
from importlib import import_module
from pathlib import Path

import pytest

from mmcore.config.compose import compose
from mmcore.config.params import Params
from mmcore.predictor import Predictor, answer_table
from mmcore.registry.plugins import installed
from mmcore.stages.paths import Paths

ROOT = Path(__file__).parents[3]
HEADER = ["age", "fare", "class", "survived"]


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """People of first and third class; who is young or rich survives. Cells are missing here and there."""
    draw, path = random.Random(0), tmp_path_factory.mktemp("people") / "people.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for _ in range(300):
            age, rich = draw.randint(1, 80), draw.random() < 0.5
            fare = "" if draw.random() < 0.2 else round(draw.gauss(80 if rich else 8, 2), 2)
            writer.writerow([age, fare, "first" if rich else "third", "yes" if rich or age < 15 else "no"])
    return path


@pytest.fixture(scope="module", params=["table-mlp", "ft-transformer"])
def paths(table, request, tmp_path_factory) -> Paths:
    """After ingest to evaluate, without DVC."""
    passenger = f"{{column: [age, fare, class], modality: table, encoder: {request.param}}}"
    choices = [
        "experiment=table",
        f"data.source.path={table}",
        f"fields={{passenger: {passenger}, survived: category}}",
        "fusion=concat",
        "tasks={survived: classification}",
        "training.monitor=survived/accuracy",
        "training.epochs=15",
        "training.batch_size=16",
        "training.lr=0.005",
        "training.device=cpu",
        "evaluation.resamples=0",
        "data.split.test=0.2",
    ]
    values = compose(ROOT, choices, plugins=installed())
    paths = Paths(tmp_path_factory.mktemp("project"))
    for name, fields in (
        *(("ingest", [None]), ("fit", ["passenger", "survived"]), ("encode", ["passenger", "survived"])),
        *(("features", ["passenger", "survived"]), ("join", [None]), ("train", [None]), ("floors", [None])),
        ("evaluate", [None]),
    ):
        stage = import_module(f"mmcore.stages.{name}")
        for field in fields:
            params = Params(values, [key.format(field=field) for key in stage.READS])
            stage.run(params, paths, **({} if field is None else {"field": field}))
    return paths


def test_what_can_be_learned_from_the_columns_is_learned(paths):
    metrics = json.loads(paths.metrics.read_text())
    assert metrics["survived/accuracy"] > max(0.93, metrics["survived/accuracy/floor/majority"] + 0.1)


def test_columns_may_be_given_one_by_one_as_one_object_or_in_part(paths):
    predictor = Predictor.load(paths.model)
    rich, same, part = predictor.predict(
        [
            {"age": "40", "fare": "80", "class": "first"},
            {"passenger": '{"age": 40, "fare": 80, "class": "first"}'},
            {"class": "third", "age": 40},
        ]
    )
    assert rich == same
    assert rich["survived"]["label"] == "yes"
    assert part["survived"]["label"] == "no"


def test_a_table_is_answered_and_its_missing_column_told(paths, tmp_path):
    asked = tmp_path / "asked.csv"
    asked.write_text("name,age,class\nann,5,third\nbob,60,first\n,,\n")
    told = answer_table(Predictor.load(paths.model), asked)
    assert told.missing == ["fare"]
    assert told.rows[1]["survived:label"] == "yes"
    assert "nothing to look at" in told.rows[2]["error"]
