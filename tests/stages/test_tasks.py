"""Tasks that write, that align and that tell numbers go through train, floors, evaluate and report."""

import json
from importlib.metadata import entry_points

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmcore.config.params import Params
from mmcore.model.folder import load_model
from mmcore.registry.plugins import Plugins
from mmcore.stages import encode, evaluate, features, fit, floors, ingest, join, report, train
from mmcore.stages.paths import Paths
from tests.ranking import ranking

SAYS = {"cat": "me ow me ow", "dog": "woof woof said the dog", "cow": "moo", "duck": "quack quack quack quack"}
TEXT = {"name": "text", "kind": "character", "vocabulary_size": 40, "max_tokens": 32}
READER = {"name": "rnn", "width": 16, "embedding_width": 8}
WRITER = {"name": "rnn", "width": 32, "embedding_width": 16, "causal": True, "bidirectional": False}
PREFIX = {"name": "prefix", "into": "says", "connector": {"name": "linear"}}


def table(rows=200):
    """An animal, its weight, and what it says, three times as often the cow."""
    draw = np.random.default_rng(0)
    animals = draw.choice(list(SAYS), rows, p=[0.2, 0.2, 0.4, 0.2]).tolist()
    lines = [f"{one},{3 * len(one) + draw.normal(0, 0.1):.3f},{SAYS[one]},{n // 2}" for n, one in enumerate(animals)]
    return "\n".join(["animal,weight,says,pair", *lines])


def field(name, modality, **more):
    return {"modality": modality, "fit": [name], "code": "", "package": None, "column": name, **more}


def prepare(folder, fields, **sections):
    (folder / "table.csv").write_text(table())
    source = {"name": "table", "path": str(folder / "table.csv")}
    values = {
        "data": {
            "source": source, "code": "", "watch": "", "group": "pair", "id": None, "max_broken": 0.0,
            "split": {"validation": 0.2, "test": 0.3},
        },
        "fields": fields,
        "evaluation": {"resamples": 50},
        "pretrain": {},
        "report": {"title": "Animals"},
        "repeats": {"summary": {}},
        **sections,
    }  # fmt: skip
    params, paths = Params(values, tuple(values)), Paths(folder)
    ingest.run(params, paths)
    for name in fields:
        fit.run(params, paths, field=name)
        encode.run(params, paths, field=name)
        features.run(params, paths, field=name)
    join.run(params, paths)
    paths.params.write_text("")
    return params, paths


def run(params, paths):
    for stage in (train, floors, evaluate):
        stage.run(params, paths)
    report.run(Params(params.values, report.READS), paths)
    return json.loads(paths.metrics.read_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A model that writes what an animal says, and tells its weight."""
    fields = {
        "animal": field("animal", TEXT, encoder=READER),
        "says": field("says", TEXT, encoder=WRITER),
        "weight": field("weight", {"name": "number"}),
    }
    params, paths = prepare(
        tmp_path_factory.mktemp("written"),
        fields,
        fusion=PREFIX,
        tasks={
            "says": {
                "name": "generation", "target": "says", "max_tokens": 30,
                "metrics": ["perplexity", "bits_per_character", "exact_match", "bleu", "symbol_error"],
            },
            "weight": {"name": "regression", "target": "weight", "stream": "animal", "weight": 0.5},
        },
        model={"blank": True},
        training={"monitor": "says/exact_match", "epochs": 16, "batch_size": 8, "lr": 0.02, "threads": 1},
        floors={"fusion": PREFIX, "epochs": 8},
    )  # fmt: skip
    return paths, run(params, paths)


def test_a_model_that_sees_the_animal_writes_what_it_says(written):
    _, metrics = written
    assert metrics["says/exact_match"] > 0.95
    assert metrics["says/bleu"] > 0.95
    assert metrics["says/symbol_error"] < 0.05
    assert metrics["says/bits_per_character"] < 0.5
    assert metrics["weight/r2"] > 0.9


def test_without_the_animal_it_can_only_guess(written):
    _, metrics = written
    assert metrics["says/exact_match/without/animal"] < 0.7
    assert metrics["says/bits_per_character/without/animal"] > 2 * metrics["says/bits_per_character"]
    assert not [key for key in metrics if key.endswith("/without/says")]


def test_floors_are_the_most_frequent_text_and_each_field_beside_the_written_one(written):
    _, metrics = written
    assert 0.25 < metrics["says/exact_match/floor/majority"] < 0.55
    assert metrics["says/exact_match/floor/says"] < 0.7  # a language model that sees no animal
    bits = "says/bits_per_character/floor"
    assert metrics[f"{bits}/animal"] < 0.7 * metrics[f"{bits}/says"]
    assert "says/perplexity/floor/majority" not in metrics


def test_scores_that_look_at_texts_have_intervals(written):
    _, metrics = written
    for name in ("says/bleu", "says/perplexity", "weight/rmse"):
        assert metrics[f"{name}/low"] <= metrics[name] <= metrics[f"{name}/high"]


def test_texts_and_their_scores_stand_in_the_predictions(written):
    paths, _ = written
    found = pq.read_table(paths.predictions).to_pydict()
    assert all(isinstance(text, str) for text in found["says:text"])
    right = [said == true for said, true in zip(found["says:text"], found["says:true:text"], strict=True)]
    assert np.mean(right) > 0.95
    assert all(score <= 0 for score in found["says:score"])
    assert len(found["weight:value"]) == len(right)


def test_the_report_shows_texts(written):
    paths, _ = written
    page = paths.report.read_text()
    assert "quack quack quack quack" in page
    assert "symbol_error" in page


def test_the_report_shows_no_input_that_is_the_answer(written):
    paths, _ = written
    inputs = report._Inputs(load_model(paths.model), paths)
    shown = inputs.show(0)
    assert set(shown) == {"animal"}


def test_where_the_fusion_shows_the_text_nothing_a_field_alone_is_no_floor(tmp_path):
    fields = {
        "animal": field("animal", TEXT, encoder=READER),
        "says": field("says", TEXT, encoder=WRITER),
    }
    params, paths = prepare(
        tmp_path,
        fields,
        tasks={"says": {"name": "generation", "target": "says", "metrics": ["perplexity"]}},
        training={"monitor": "says/perplexity", "epochs": 1, "batch_size": 32, "threads": 1},
        floors={"fusion": {"name": "concat"}, "epochs": 1},
    )
    floors.run(params, paths)
    found = json.loads(paths.floors.read_text())
    assert found["animal"] is None
    assert found["majority"] == {}
    assert found["says"]["says/perplexity"] > 1


def test_aligned_fields_find_each_other_and_chance_is_their_floor(tmp_path):
    fields = {
        "animal": field("animal", TEXT, encoder=READER),
        "says": field("says", TEXT, encoder=READER),
    }
    params, paths = prepare(
        tmp_path,
        fields,
        fusion={"name": "align"},
        tasks={"pair": {"name": "alignment", "first": "animal", "second": "says", "width": 16}},
        model={"blank": True},
        training={
            "monitor": "pair/says_to_animal_r1", "epochs": 15, "batch_size": 32, "lr": 0.01, "threads": 1,
        },
        floors={"fusion": {"name": "concat"}, "epochs": 1},
    )  # fmt: skip
    metrics = run(params, paths)
    assert metrics["pair/says_to_animal_r1"] == 1
    assert metrics["pair/says_to_animal_r1/floor/majority"] == pytest.approx(0.25)
    assert metrics["pair/animal_to_says_median_rank"] == 1
    assert json.loads(paths.floors.read_text()).keys() == {"majority"}
    assert not [key for key in metrics if "/without/" in key]


def test_a_task_that_reads_one_fields_own_stream_has_no_floor_of_the_others(tmp_path):
    fields = {
        "animal": field("animal", TEXT, encoder=READER),
        "says": field("says", TEXT, encoder=READER),
        "weight": field("weight", {"name": "number"}),
    }
    regression = {"name": "regression", "target": "weight"}
    params, paths = prepare(
        tmp_path, fields, fusion={"name": "concat", "width": 8},
        tasks={"both": {**regression, "stream": "joint"}, "heard": {**regression, "stream": "says"}},
        model={}, training={"monitor": "both/mae", "epochs": 1, "threads": 1},
        floors={"fusion": {"name": "concat", "width": 8}, "epochs": 1},
    )  # fmt: skip
    floors.run(params, paths)
    found = json.loads(paths.floors.read_text())

    assert {key.split("/")[0] for key in found["animal"]} == {"both"}
    assert {key.split("/")[0] for key in found["says"]} == {"both", "heard"}


def test_fields_that_are_aligned_have_no_floor_alone_where_one_of_them_is_written_either(tmp_path):
    fields = {
        "animal": field("animal", TEXT, encoder=READER),
        "says": field("says", TEXT, encoder=WRITER),
    }
    pair = {"name": "alignment", "first": "animal", "second": "says", "width": 8}
    params, paths = prepare(
        tmp_path, fields, fusion=PREFIX,
        tasks={"says": {"name": "generation", "target": "says", "metrics": ["perplexity"]}, "pair": pair},
        model={}, training={"monitor": "says/perplexity", "epochs": 1, "threads": 1},
        floors={"fusion": PREFIX, "epochs": 1},
    )  # fmt: skip
    floors.run(params, paths)
    found = json.loads(paths.floors.read_text())

    assert set(found["animal"]) == set(found["says"]) == {"says/perplexity"}


def test_a_coupled_task_has_the_floors_of_each_field_that_reaches_it(tmp_path):
    plugins = Plugins.of(lambda group: [*entry_points(group=group), *ranking(group)])
    fields = {
        "animal": field("animal", TEXT, encoder=READER),
        "says": field("says", TEXT, encoder=READER),
        "weight": field("weight", {"name": "number"}),
    }
    order = {"name": "ranking", "targets": ["weight"]}
    params, paths = prepare(
        tmp_path, fields, fusion={"name": "concat", "width": 8},
        tasks={"order": order, "pair": {"name": "alignment", "first": "animal", "second": "says"}},
        model={}, training={"monitor": "order/spread", "epochs": 1, "threads": 1},
        floors={"fusion": {"name": "concat", "width": 8}, "epochs": 1},
    )  # fmt: skip
    floors.run(params, paths, plugins=plugins)
    found = json.loads(paths.floors.read_text())

    assert set(found["animal"]) == set(found["says"]) == {"order/spread"}
