"""Two models on the same rows, none of which either has an advantage on."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml

from mmcore.cli.main import app
from mmcore.config.params import Params
from mmcore.config.pretrain import CHAMPION
from mmcore.data.manifest import Manifest
from mmcore.data.marks import FILE, marks_of, read_marks, seen, write_marks
from mmcore.errors import ArtifactError, DataError
from mmcore.model.weights import load_tensors
from mmcore.stages import compare, train
from mmcore.stages.paths import Paths
from tests.stages import table

WEAK = {"monitor": "label/accuracy", "epochs": 1, "batch_size": 200, "lr": 0.0001, "threads": 1}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Settings and paths; `model` in artifacts/ is good, `weak` beside it is not."""
    folder = tmp_path_factory.mktemp("compare")
    settings, paths = table.trained(folder, table.rows(400), training=WEAK)
    shutil.copytree(paths.model, folder / "weak")
    settings, paths = table.trained(folder, table.rows(400))
    return settings, paths


@pytest.fixture
def weak(project, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(project[1].root / "weak", tmp_path / "weak")


def run(project, champion=None, challenger=None):
    settings, paths = project
    return compare.run(settings, paths, champion=champion or paths.model, challenger=challenger or paths.model)


def test_a_model_gains_nothing_over_itself(project):
    found = run(project)
    assert {one.gain for one in found.scores.values()} == {0.0}
    assert found.left_out == {}


def test_the_scores_are_those_of_evaluate(project):
    found, metrics = run(project), json.loads(project[1].metrics.read_text())
    assert found.n == metrics["n"]
    for name, one in found.scores.items():
        assert one.second == pytest.approx(metrics[name]), name


def test_what_is_better_gains_whichever_way_the_score_runs(project, weak):
    found = run(project, champion=weak)
    for name in ("label/accuracy", "label/cross_entropy"):
        assert found.scores[name].gain > 0, name
    assert found.scores["label/accuracy"].low > 0
    back = run(project, challenger=weak)
    assert back.scores["label/accuracy"].gain == -found.scores["label/accuracy"].gain
    assert back.scores["label/cross_entropy"].gain < 0


def test_slices_are_compared_too(project, weak):
    found = run(project, champion=weak)
    assert set(found.slices) == {"region=north", "region=south"}
    assert sum(one.groups for one in found.slices.values()) == found.n


def test_the_command_gives_all_of_it_as_json(project, weak, monkeypatch, capsys):
    settings, paths = project
    monkeypatch.chdir(paths.root)
    (paths.root / "params.yaml").write_text(yaml.safe_dump(dict(settings.values)))

    app(["compare", str(weak), str(paths.model), "--json"], standalone_mode=False)

    told, found = json.loads(capsys.readouterr().out), run(project, champion=weak)
    assert told["n"] == found.n
    assert told["scores"]["label/accuracy"]["gain"] == found.scores["label/accuracy"].gain
    assert told["known"] == list(found.known)


def test_rows_that_one_of_them_was_trained_on_never_count(project, tmp_path):
    """The split is dealt anew, so that the model in use has seen much of what is the test split now."""
    settings, old = project
    data = {**settings.values["data"], "split": {"seed": 1, "validation": 0.2, "test": 0.3}}
    shutil.copy(old.root / "table.csv", tmp_path / "table.csv")
    data["source"] = {"name": "table", "path": str(tmp_path / "table.csv")}
    new = table.trained(tmp_path, table.rows(400), data=data)
    found = run(new, champion=old.model)
    manifest = Manifest.read(new[1].manifest)
    test = manifest.rows("test")
    known = seen(marks_of(manifest, ["x"])[test], read_marks(old.model))
    assert 0 < known.sum() < len(test)
    assert found.left_out == {"trained on by the model in use": known.sum()}
    assert found.n == len(test) - known.sum()
    before = Manifest.read(old.manifest)
    trained = {before.ids[row] for row in np.flatnonzero(before.splits != "test")}
    assert {manifest.ids[row] for row in test[known]} == trained & {manifest.ids[row] for row in test}


def test_where_no_row_is_left_it_says_why(project, weak):
    manifest = Manifest.read(project[1].manifest)
    write_marks(weak, marks_of(manifest, ["x"]))
    with pytest.raises(DataError, match="trained on by the model in use"):
        run(project, champion=weak)


def test_a_folder_of_an_older_version_is_trusted_and_that_is_said(project, weak):
    (weak / FILE).unlink()
    assert "does not say which rows" in run(project, champion=weak).notes[0]


def test_a_model_whose_plugin_is_gone_is_named(project, weak):
    about = yaml.safe_load((weak / "model.yaml").read_text())
    about["packages"]["mm-gone"] = "0.1.0"
    (weak / "model.yaml").write_text(yaml.safe_dump(about))
    with pytest.raises(ArtifactError, match=r"mm-gone 0\.1\.0, which is not installed"):
        run(project, champion=weak)


def test_a_plugin_that_is_no_longer_registered_is_named(project, weak):
    about = yaml.safe_load((weak / "model.yaml").read_text())
    about["plan"]["fusion"]["name"] = "melting"
    (weak / "model.yaml").write_text(yaml.safe_dump(about))
    with pytest.raises(ArtifactError, match=r"weak cannot be loaded: .*melting"):
        run(project, champion=weak)


def test_a_model_whose_plugin_has_dropped_a_setting_is_named(project, weak):
    about = yaml.safe_load((weak / "model.yaml").read_text())
    about["plan"]["fusion"]["dropped"] = 3
    (weak / "model.yaml").write_text(yaml.safe_dump(about))
    with pytest.raises(ArtifactError, match=r"weak cannot be loaded: .*takes no 'dropped'"):
        run(project, champion=weak)


def test_a_class_that_only_one_of_them_knows_is_wrong_for_the_other(project, tmp_path):
    """Today's rows have a third class."""
    lines = table.rows(300) + table.rows(200, start=300, seed=5, shift=9.0, labels=("maybe", "maybe"))
    new = table.trained(tmp_path, lines)
    found = run(new, champion=project[1].model)
    manifest = Manifest.read(new[1].manifest)
    labels = manifest.cells("label")
    maybe = np.mean([labels[row] == "maybe" for row in manifest.rows("test")])
    assert 0.2 < maybe < 0.6
    assert found.n + sum(found.left_out.values()) == len(manifest.rows("test"))
    assert found.scores["label/accuracy"].first <= 1 - 0.5 * maybe
    assert found.scores["label/accuracy"].gain > 0


def test_without_a_score_in_common_there_is_nothing_to_compare(project, weak):
    about = yaml.safe_load((weak / "model.yaml").read_text())
    about["plan"]["tasks"] = {"other": about["plan"]["tasks"]["label"]}
    (weak / "model.yaml").write_text(yaml.safe_dump(about))
    with pytest.raises(ArtifactError):
        run(project, champion=weak)


def test_marks_are_few_bytes_and_the_same_every_time(project, tmp_path):
    draw = np.random.default_rng(0).integers(0, 2**40, (50_000, 2))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_marks(tmp_path / name, draw)
    sizes = [(tmp_path / name / FILE).read_bytes() for name in ("one", "two")]
    assert sizes[0] == sizes[1]
    assert len(sizes[0]) < 50_000 * 8


@pytest.fixture
def warm(project, tmp_path):
    """A project like it whose training starts from the model in use, which lies in artifacts/champion."""
    settings, old = project
    shutil.copytree(old.root, tmp_path / "warm")
    data = {**settings.values["data"], "source": {"name": "table", "path": str(tmp_path / "warm" / "table.csv")}}
    training = {**settings.values["training"], "start_from": "champion", "epochs": 1, "lr": 0.0}
    return table.params(tmp_path / "warm", data=data, training=training), Paths(tmp_path / "warm")


def test_a_training_that_starts_from_the_model_in_use_has_its_weights_and_has_seen_its_rows(warm):
    settings, paths = warm
    shutil.copytree(paths.model, paths.root / CHAMPION)
    write_marks(paths.root / CHAMPION, np.array([7, 8]))
    train.run(settings, paths)
    before, after = (load_tensors(folder / "model.safetensors") for folder in (paths.root / CHAMPION, paths.model))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {7, 8} <= set(read_marks(paths.model).tolist())


def test_what_does_not_fit_starts_from_nothing_and_is_told(warm, capfd):
    settings, paths = warm
    shutil.copytree(paths.model, paths.root / CHAMPION)
    wider = {**settings.values, "fusion": {"name": "concat", "width": 9}}
    train.run(Params(wider, settings.keys), paths)
    assert "These start from nothing." in capfd.readouterr().out


def test_without_a_model_in_use_it_starts_from_nothing_but_without_the_folder_not_at_all(warm):
    settings, paths = warm
    with pytest.raises(ArtifactError, match=r"python -m flows\.retrain"):
        train.run(settings, paths)
    (paths.root / CHAMPION).mkdir()
    train.run(settings, paths)
