"""Two trainings one after the other."""

import json

import pytest
import torch

from mmcore.config.params import Params
from mmcore.errors import ArtifactError
from mmcore.model.weights import load_tensors
from mmcore.stages import encode, evaluate, features, fit, ingest, join, pretrain, repeat, train
from mmcore.stages.paths import Paths

TEXT = {"name": "text", "kind": "character", "vocabulary_size": 40, "max_tokens": 8}
READER = {"name": "rnn", "width": 8, "embedding_width": 4}
TRAINING = {"monitor": "sound/accuracy", "seed": 0, "threads": 1, "epochs": 1, "batch_size": 16, "device": "cpu"}


@pytest.fixture
def prepared(tmp_path):
    """A table of animals and sounds, up to where the model starts; its values and paths."""
    lines = ["animal,sound", *(("cat{},miaow", "dog{},woof", "cow{},moo")[n % 3].format(n) for n in range(60))]
    (tmp_path / "table.csv").write_text("\n".join(lines))

    def field(name, modality, **more):
        return {"modality": modality, "fit": [name], "code": "", "package": None, "column": name, **more}

    values = {
        "data": {
            "source": {"name": "table", "path": str(tmp_path / "table.csv")}, "code": "", "watch": "",
            "split": {"validation": 0.2, "test": 0.2}, "max_broken": 0.0, "id": None,
        },
        "fields": {
            "animal": field("animal", TEXT, encoder=READER),
            "sound": field("sound", {"name": "category"}),
        },
        "fusion": {"name": "concat", "width": 8},
        "tasks": {"sound": {"name": "classification", "target": "sound"}},
        "model": {},
        "training": {**TRAINING, "lr": 0.0},
        "pretrain": {"runs": {"first": {**TRAINING, "lr": 0.01, "freeze": {"encoders": 1}}}},
        "evaluation": {"resamples": 0, "split": "test"},
        "repeats": {"runs": {"seed-1": {"seed": 1}, "fold-1": {"seed": 0, "fold": 0, "folds": 2}}},
    }  # fmt: skip
    params, paths = Params(values, tuple(values)), Paths(tmp_path)
    ingest.run(params, paths)
    for name in values["fields"]:
        fit.run(params, paths, field=name)
        encode.run(params, paths, field=name)
        features.run(params, paths, field=name)
    join.run(params, paths)
    return params, paths


def weights(folder):
    return load_tensors(folder / "model.safetensors")


def test_what_the_first_training_freezes_stays_and_the_rest_learns(prepared):
    params, paths = prepared
    pretrain.run(params, paths, run="first")
    train.run(params.with_value("pretrain", {}), paths)  # its learning rate is 0: the weights as they were drawn
    drawn, first = weights(paths.model), weights(paths.pretrain("first") / "model")

    changed = {name.split(".")[0] for name in drawn if not torch.equal(drawn[name], first[name])}

    assert changed == {"fusion", "tasks"}


def test_the_training_goes_on_from_the_first_one(prepared):
    params, paths = prepared
    pretrain.run(params, paths, run="first")
    train.run(params, paths)

    first, then = weights(paths.pretrain("first") / "model"), weights(paths.model)

    assert all(torch.equal(first[name], then[name]) for name in first)


def test_without_the_first_ones_model_it_says_what_to_run(prepared):
    with pytest.raises(ArtifactError, match="Run `dvc repro`, or `mm stage pretrain`"):
        train.run(*prepared)


@pytest.mark.parametrize("name", ["seed-1", "fold-1"])
def test_a_repeat_repeats_both(prepared, name):
    params, paths = prepared
    pretrain.run(params, paths, run="first")
    train.run(params, paths)
    evaluate.run(params, paths)

    repeat.run(params, paths, run=name)

    kept, other = (json.loads(path.read_text()) for path in (paths.metrics, paths.repeat(name) / "metrics.json"))
    assert kept["sound/cross_entropy"] != other["sound/cross_entropy"]
    assert not (paths.root / ".mm" / "repeats" / name).exists()
