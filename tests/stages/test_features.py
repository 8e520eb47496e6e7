"""Cached features change nothing but the time: same predictions, and refused where they would not be the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmcore.config.params import Params
from mmcore.data.manifest import Manifest
from mmcore.errors import BuildError
from mmcore.evaluation.predict import predict
from mmcore.model.assemble import assemble
from mmcore.registry.plugins import installed
from mmcore.stages import encode, features, fit, ingest, join
from mmcore.stages.inputs import load_modalities, open_inputs, plan_of
from mmcore.stages.paths import Paths

TABLE = "words,label\n" + "\n".join(f"{w} {n % 7},{'up' if n % 2 else 'down'}" for n, w in enumerate(["a b", "c"] * 30))


def field(modality: str, **more: object) -> dict[str, object]:
    return {"modality": {"name": modality}, "fit": [], "code": "", "package": None, **more}


@pytest.fixture
def project(tmp_path: Path) -> tuple[Params, Paths]:
    (tmp_path / "table.csv").write_text(TABLE)
    encoder = {"name": "rnn", "width": 8, "embedding_width": 4}
    values = {
        "data": {
            "source": {"name": "table", "path": str(tmp_path / "table.csv")},
            "code": "",
            "watch": "",
            "split": {"validation": 0.2, "test": 0.2},
            "max_broken": 0.0,
        },
        "fields": {
            "words": field("text", column="words", encoder=encoder, frozen=True) | {"fit": ["words"]},
            "label": field("category", column="label") | {"fit": ["label"]},
        },
        "fusion": {"name": "concat", "width": 8},
        "tasks": {"answer": {"name": "classification", "target": "label"}},
        "training": {"monitor": "answer/accuracy", "seed": 0, "threads": 1},
    }
    params, paths = Params(values, tuple(values)), Paths(tmp_path)
    ingest.run(params, paths)
    for name in ("label", "words"):
        fit.run(params, paths, field=name)
        encode.run(params, paths, field=name)
        features.run(params, paths, field=name)
    join.run(params, paths)
    return params, paths


def logits(params: Params, paths: Paths) -> tuple[np.ndarray, bool]:
    fields, plan = params.fields(), plan_of(params)
    modalities = load_modalities(fields, paths, installed())
    model = assemble(plan, modalities, seed=0)
    inputs = open_inputs(fields, paths, modalities=modalities, model=model)
    model.cached = inputs.cached
    judged = predict(model, inputs.batches("train", batch_size=8), modalities=inputs.raw)
    return judged["answer"].predictions["probabilities"], bool(inputs.cached)


def test_features_of_a_frozen_encoder_are_computed_once_and_give_the_same_predictions(
    project: tuple[Params, Paths],
) -> None:
    params, paths = project
    with_cache, cached = logits(params, paths)
    assert cached
    about = json.loads((paths.features("words") / "features.json").read_text())
    (paths.features("words") / "features.json").write_text(json.dumps({**about, "why": "taken away"}))
    without_cache, cached = logits(params, paths)
    assert not cached
    np.testing.assert_allclose(with_cache, without_cache, atol=1e-6)


def test_there_is_one_array_for_each_distinct_cell(project: tuple[Params, Paths]) -> None:
    _, paths = project
    about = json.loads((paths.features("words") / "store" / "store.json").read_text())
    cells = Manifest.read(paths.manifest).cells("words")
    assert about["arrays"] == len(set(cells)) < len(cells)


def test_a_field_without_an_encoder_says_so(project: tuple[Params, Paths]) -> None:
    _, paths = project
    about = json.loads((paths.features("label") / "features.json").read_text())
    assert about["cached"] is False
    assert about["why"] == "it has no encoder"


def test_features_that_were_asked_for_and_cannot_be_had_are_refused(project: tuple[Params, Paths]) -> None:
    params, paths = project
    params.values["fields"]["words"] |= {"frozen": False, "features": "on"}
    features.run(params, paths, field="words")
    with pytest.raises(BuildError, match=r"fields.words.features is on, but its encoder is trained"):
        logits(params, paths)


def test_a_finished_run_cannot_go_on(project: tuple[Params, Paths]) -> None:
    params, paths = project
    modalities = load_modalities(params.fields(), paths, installed())
    model = assemble(plan_of(params), modalities, seed=0)
    inputs = open_inputs(params.fields(), paths, modalities=modalities, model=model)
    model.cached = inputs.cached
    run = model.start(next(inputs.batches("train", batch_size=4)))["words"]
    assert torch.equal(run.finish().values, run.own.values)
    with pytest.raises(BuildError, match=r"cannot advance 1 from stage 1: its features are cached"):
        run.advance()
