"""`mm offload`: a light folder trains to the same model as the one that it was made of."""

import json
from pathlib import Path

import pytest

from mmcore.cli.offload import offload_prepared
from mmcore.config.params import load_params
from mmcore.data.remote import CACHE
from mmcore.errors import ArtifactError, SetupError
from mmcore.stages import evaluate, train
from mmcore.stages.paths import Paths
from tests.search.project import Project, made


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return made(tmp_path_factory.mktemp("prepared")).root


@pytest.fixture
def project(prepared, monkeypatch, tmp_path):
    monkeypatch.chdir(prepared)
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return Project(prepared)


def trained(root):
    """The bytes of the weights, and the scores."""
    paths = Paths(root)
    for stage in (train, evaluate):
        stage.run(load_params(paths.params, stage.READS), paths)
    metrics = json.loads((root / "artifacts" / "metrics.json").read_text())
    return next(paths.model.glob("*.safetensors")).read_bytes(), metrics


def test_it_trains_and_is_judged_as_where_the_arrays_are(project, tmp_path, capsys):
    offload_prepared(f"file://{tmp_path}/far", tmp_path / "light")
    assert "To train from there: cd" in capsys.readouterr().out
    assert not list((tmp_path / "light").rglob("0*.arrow"))
    assert list((tmp_path / "far").rglob("*.arrow"))
    assert trained(tmp_path / "light") == trained(project.root)


def test_twice_sends_nothing_the_second_time(project, tmp_path, capsys):
    for _ in range(2):
        offload_prepared(str(tmp_path / "far"), tmp_path / "light")
    first, second = capsys.readouterr().out.splitlines()
    assert "Sent" in first
    assert "has all arrays already" in second


def test_a_folder_that_holds_something_else_is_left_alone(project, tmp_path):
    (tmp_path / "light").mkdir()
    (tmp_path / "light" / "letter.txt").write_text("mine")
    with pytest.raises(SetupError, match="holds something else already"):
        offload_prepared(str(tmp_path / "far"), tmp_path / "light")


def test_another_project_is_left_alone(project, tmp_path):
    other = tmp_path / "other"
    (other / "artifacts").mkdir(parents=True)
    (other / "params.yaml").write_text("mine: 1\n")
    with pytest.raises(SetupError, match="holds something else already"):
        offload_prepared(str(tmp_path / "far"), other)
    assert (other / "params.yaml").read_text() == "mine: 1\n"


@pytest.mark.parametrize(("into", "told"), [(".", "this project itself"), ("params.yaml", "is a file")])
def test_the_project_itself_and_a_file_are_refused(project, tmp_path, into, told):
    with pytest.raises(SetupError, match=told):
        offload_prepared(str(tmp_path / "far"), Path(into))


def test_before_the_rows_are_prepared_it_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="dvc repro join"):
        offload_prepared(str(tmp_path / "far"), Path("light"))
