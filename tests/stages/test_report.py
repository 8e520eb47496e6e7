import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mmcore.config.params import Params
from mmcore.data.manifest import Manifest
from mmcore.data.quarantine import Broken, write_broken
from mmcore.data.storing import StoreWriter
from mmcore.errors import ArtifactError
from mmcore.evaluation.predict import predict
from mmcore.evaluation.score import score
from mmcore.interfaces.field import Batch
from mmcore.model.assemble import assemble
from mmcore.model.folder import save_model
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.registry.settings import Part
from mmcore.stages import evaluate, report
from mmcore.stages.paths import Paths
from mmcore.testing.toys import toy_modalities, toy_plugins, toy_rows
from mmcore.testing.toys.modalities import VectorModality

PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {}), "label": Part("label", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {})), "sequence": EncoderPlan(Part("causal_gru", {}))},
    fusion=Part("toy_concat", {}),
    tasks={"answer": Part("toy_classification", {"target": "label"})},
)
ROWS = toy_rows(24)
WITHOUT_SEQUENCE, WITHOUT_LABEL = 3, 5


@pytest.fixture
def paths(tmp_path):
    """What the stages before `report` leave; one row lacks an input, another its target."""
    paths, modalities = Paths(tmp_path), toy_modalities()
    rows = [dict(row) for row in ROWS]
    rows[WITHOUT_SEQUENCE]["sequence"] = rows[WITHOUT_LABEL]["label"] = None
    arrays = {
        name: [None if row[name] is None else modality.read(row[name], Path()) for row in rows]
        for name, modality in modalities.items()
    }
    ids = [f"row {n:02}" for n in range(len(rows))]
    paths.manifest.parent.mkdir()
    Manifest(pa.table({"id": ids, "split": ["test"] * len(rows), "group": ids})).write(paths.manifest)
    for name in ("vector", "sequence"):
        write_store(paths.store(name), arrays[name])
    model = assemble(PLAN, modalities, seed=0, plugins=toy_plugins())
    columns = {name: name for name in modalities}
    save_model(paths.model, model, plan=PLAN, modalities=modalities, columns=columns, plugins=toy_plugins())
    number = torch.arange(len(rows))
    fields = {name: modality.collate(arrays[name]) for name, modality in modalities.items()}
    judged = predict(model, [Batch(fields, row=number, group=number)], modalities=modalities)
    evaluate.write_predictions(paths, judged)
    evaluate.write_confusion(paths, judged)
    floors = {"answer/accuracy/floor/majority": 0.1}
    metrics = {**score(model, judged), **floors, "split": "test", "n": len(rows), "rows/test": len(rows)}
    paths.metrics.write_text(json.dumps(metrics))
    paths.learning.write_text("epoch,step,lr,loss,answer/accuracy\n1,3,0.001,0.7,0.5\n2,6,0.001,0.6,\n")
    write_broken(
        paths.quarantine, [Broken("row 99", "vector.txt: is damaged", field="vector", cell="vector.txt", row=9)]
    )
    (tmp_path / "params.yaml").write_text("report: {title: Toys 玩具, examples: 4}\n")
    return paths


def write_store(folder, arrays):
    writer = StoreWriter(folder)
    slots = [-1 if array is None else writer.add(array) for array in arrays]
    writer.finish(np.array(slots))


def page(paths, repeats=(), **settings):
    values = {
        "report": {"title": "Toys 玩具", "examples": 4, **settings},
        "repeats": {"summary": {kind: [f"{kind}-1"] for kind in repeats}},
    }
    params = Params(values, report.READS)
    report.run(params, paths, plugins=toy_plugins())
    return paths.report.read_text(encoding="utf-8")


def test_the_page_is_made_from_what_the_stages_before_left(paths):
    text = page(paths)

    for expected in (
        "Toys 玩具",
        "majority (no input at all)",
        "is damaged",
        "Right answers",
        "Wrong answers",
        "epoch",
    ):
        assert expected in text


def test_the_pages_about_repeats_can_be_found_from_it(paths):
    text = page(paths, repeats=("seeds", "folds"))

    for kind in ("folds", "seeds"):
        link = f'<a href="spread/{kind}.html">{kind}</a>'
        assert link in text
        assert paths.report.parent / "spread" / f"{kind}.html" == paths.spread(kind).with_suffix(".html")
    assert "spread/" not in page(paths)


def test_before_the_model_is_judged_it_says_what_to_run(paths):
    paths.metrics.unlink()
    with pytest.raises(ArtifactError, match=r"metrics\.json is not there.*mm stage evaluate"):
        page(paths)


def test_an_example_shows_what_the_model_saw_of_its_row(paths):
    text = page(paths, examples=100)

    shown = toy_modalities()["sequence"].read(ROWS[7]["sequence"], Path())
    assert str(shown) in text
    assert "not given" in text
    assert f"row {WITHOUT_LABEL:02}" not in text  # without a target nobody can say whether it is right


def test_as_many_examples_are_shown_as_asked_for(paths):
    assert 'class="id"' not in page(paths, examples=0)
    assert 0 < page(paths, examples=2).count('class="id"') <= 4


def test_what_was_not_computed_is_left_out(paths):
    paths.learning.unlink()
    paths.confusion.write_text("task,actual,predicted\n")
    paths.quarantine.unlink()
    paths.metrics.write_text(
        json.dumps({"split": "test", "n": 24, "answer/accuracy": 0.5, "shares": ["answer/accuracy"]})
    )

    text = page(paths)

    assert "How it learned" not in text
    assert "What is taken for what" not in text
    assert "50.0 %" in text


def test_texts_that_hold_what_cannot_be_written_are_counted(paths):
    assert "has no token" not in page(paths)
    table = pq.read_table(paths.predictions)
    texts = pa.array(["红\ufffd灯", "灯\ufffd", *["\ufffd"] * (len(ROWS) - 2)])
    unknown = pa.array([1, 0, *[1] * (len(ROWS) - 2)])  # the second's sign has a token of its own
    table = table.append_column("answer:true:text", texts).append_column("answer:true:unknown", unknown)
    pq.write_table(table, paths.predictions)

    # One of them belongs to the row that lacks its target.
    assert f"answer: {len(ROWS) - 2} of the {len(ROWS) - 1} texts to be written hold a character that" in page(paths)


def test_what_modalities_remark_on_their_cells_stands_on_the_page(paths, monkeypatch):
    monkeypatch.setattr(VectorModality, "remarks", lambda self: ("one number is always 0.",))
    assert '<p class="note">vector: one number is always 0.</p>' in page(paths)


def test_the_page_names_no_place_on_this_machine(paths):
    assert str(paths.root) not in page(paths)


def test_a_second_run_gives_the_same_page(paths):
    assert page(paths) == page(paths)


def test_a_table_of_predictions_comes_back_as_it_was_written(paths):
    table = pq.read_table(paths.predictions)

    said = report.table_of(table, "answer:", but="answer:true:")

    assert set(said) == {"label", "probabilities"}
    assert said["probabilities"].shape == (len(ROWS), 2)
    assert set(report.table_of(table, "answer:true:")) == {"label"}


def test_what_a_task_tells_in_vectors_is_no_answer_to_read():
    metric = SimpleNamespace(rows=lambda said, true: np.array([1.0, 0.0]), better="up")
    task = SimpleNamespace(metrics=lambda: {"recall": metric})
    saved = SimpleNamespace(modalities={}, model=SimpleNamespace(owners={}, generated=frozenset()))
    told = {"near:present": [True] * 2, "near:vector": [[1.0, 0.0]] * 2, "near:true:vector": [3, 4]}
    predictions = pa.table({"id": ["a", "b"], "group": [0, 1], "row": [0, 1], **told})

    found = report.galleries("near", task, predictions, saved=saved, paths=Paths(Path()), count=2)

    assert [one.predicted for gallery in found for one in gallery.examples] == [None, None]
    assert [one.actual for gallery in found for one in gallery.examples] == [None, None]
