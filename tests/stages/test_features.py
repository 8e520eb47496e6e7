"""Cached features change nothing but the time: same predictions, and refused where they would not be the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mmcore.config.params import Params
from mmcore.config.pretrain import CHAMPION
from mmcore.data.features import Features
from mmcore.data.manifest import Manifest
from mmcore.data.store import Store
from mmcore.errors import ArtifactError, BuildError, ConfigError
from mmcore.evaluation.predict import predict
from mmcore.model.assemble import assemble
from mmcore.model.folder import save_model
from mmcore.model.multimodal import Cached
from mmcore.registry.plugins import installed
from mmcore.stages import encode, evaluate, features, fit, ingest, join, train
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
            "id": None,
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


def test_features_that_are_not_there_say_what_to_run(project: tuple[Params, Paths]) -> None:
    params, paths = project
    (paths.features("words") / "features.json").unlink()
    with pytest.raises(ArtifactError, match=r"features\.json is not there.*mm stage features --field words"):
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


def test_features_of_another_encoder_than_the_one_that_a_training_starts_from_are_refused(
    project: tuple[Params, Paths],
) -> None:
    params, paths = project
    plan, modalities = plan_of(params), load_modalities(params.fields(), paths, installed())
    params.values["training"] |= {"start_from": "champion", "epochs": 1, "device": "cpu"}
    params.values |= {"model": {}, "pretrain": {}}
    params = Params(params.values, tuple(params.values))

    save_model(paths.root / CHAMPION, assemble(plan, modalities, seed=0), plan=plan, modalities=modalities, columns={})
    train.run(params, paths)
    save_model(paths.root / CHAMPION, assemble(plan, modalities, seed=1), plan=plan, modalities=modalities, columns={})
    with pytest.raises(ConfigError, match=r"fields\.words is frozen.*Set fields\.words\.features to off"):
        train.run(params, paths)


def test_a_frozen_field_is_damaged_like_any_other(project: tuple[Params, Paths]) -> None:
    params, paths = project
    params.values["training"] |= {"epochs": 1, "device": "cpu"}
    params.values |= {"model": {}, "pretrain": {}, "evaluation": {"corrupt": [0.9], "resamples": 0}}
    params = Params(params.values, tuple(params.values))
    train.run(params, paths)

    evaluate.run(params, paths)

    scores = json.loads(paths.metrics.read_text())
    assert "answer/cross_entropy/under/words/masked/0.9" in scores
    assert scores["answer/cross_entropy/under/words/masked/0.9"] != scores["answer/cross_entropy"]


@pytest.mark.parametrize(("rows", "grid"), [([6, 6], (2, 3)), ([6, None], (2, 3)), ([None, None], (2, 3))])
def test_features_on_a_grid_keep_it_where_no_sample_has_the_field_too(
    rows: list[int | None], grid: tuple[int, int]
) -> None:
    arrays = [None if length is None else np.ones((length, 4), np.float32) for length in rows]
    field = Features(4, tokens=6).collate(arrays)
    assert Cached(grid).tokens(field).grid == grid


def test_cells_with_unlike_grids_have_none_in_common(tmp_path: Path) -> None:
    rate = 8000
    for name, seconds in (("a", 0.3), ("b", 0.3), ("c", 0.6)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.sin(np.arange(int(rate * seconds))), rate)
    (tmp_path / "table.csv").write_text("sound,label\na.wav,x\nb.wav,y\nc.wav,x\n")
    source = {"name": "table", "path": str(tmp_path / "table.csv")}
    sound = field("audio", column="sound", encoder={"name": "audio-cnn"}, frozen=True) | {"fit": ["sound"]}
    values = {
        "data": {
            "source": source,
            "code": "",
            "watch": "",
            "split": {"validation": 0.0, "test": 0.0},
            "max_broken": 0,
            "id": None,
        },
        "fields": {"sound": sound, "label": field("category", column="label") | {"fit": ["label"]}},
        "training": {"seed": 0, "threads": 1},
    }
    params, paths = Params(values, tuple(values)), Paths(tmp_path)
    ingest.run(params, paths)
    for stage in (fit, encode, features):
        stage.run(params, paths, field="sound")

    about = json.loads((paths.features("sound") / "features.json").read_text())
    store = Store(paths.features("sound") / "store")

    assert about["cached"]
    assert about["grid"] is None
    for row in range(3):  # as the last batch of an epoch may be: one sound, whose tokens are not as many as the others'
        assert Cached(about["grid"]).tokens(Features(store[row].shape[1]).collate([store[row].copy()])).length > 0


def test_the_content_of_files_that_an_encoder_names_stands_beside_its_features(
    project: tuple[Params, Paths], tmp_path: Path
) -> None:
    params, paths = project
    weights = tmp_path / "weights.bin"
    params.values["fields"]["words"]["encoder_files"] = (str(weights), "mmcore/data")
    found = list[object]()
    for content in (b"1", b"2"):
        weights.write_bytes(content)
        features.run(params, paths, field="words")
        found.append(json.loads((paths.features("words") / "features.json").read_text())["files"])
    assert found[0] != found[1]
    assert [len(each) for each in found] == [1, 1]  # the core's code is no file of the encoder
