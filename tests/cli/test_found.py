"""Which model a word on the command line is."""

import subprocess

import pytest

from mmcore.cli.found import model_folder
from mmcore.errors import ArtifactError, ConfigError
from mmcore.releases.git import Git
from mmcore.releases.tags import point, register


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_itself(here):
    (here / "prod").mkdir()
    assert model_folder("prod").is_dir()


def test_a_path_is_never_a_release(here):
    assert str(model_folder("artifacts/model")) == "artifacts/model"


def test_outside_of_a_repository_there_are_no_releases(here):
    with pytest.raises(ArtifactError, match="no git repository with releases"):
        model_folder("prod")


def test_where_nothing_was_released_it_says_how_a_model_is(here):
    subprocess.run(["git", "init", "-q"], check=True)
    with pytest.raises(ConfigError, match=r"flows\.retrain --release"):
        model_folder("prod")


def test_releases_are_called_as_params_yaml_says(here, monkeypatch):
    git = Git(here)
    git.run("init", "-q")
    git.run("commit", "-q", "--allow-empty", "-m", "one", environment=git.identity())
    commit = git.run("rev-parse", "HEAD")
    register(git, "clf", "v1.0.0", commit=commit, message="first", now=1_700_000_000)
    point(git, "clf", "prod", commit=commit, message="first", now=1_700_000_000)
    monkeypatch.setattr("mmcore.cli.found.fetch", lambda _, version, *, name: f"{name}@{version.number}")
    with pytest.raises(ConfigError, match="has no releases"):
        model_folder("prod")
    (here / "params.yaml").write_text("release: {name: clf}\n")
    assert model_folder("prod") == model_folder("clf@v1.0.0") == "clf@v1.0.0"
