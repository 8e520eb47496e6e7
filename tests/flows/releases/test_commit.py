"""What of the working tree is in a release's commit, and what its card says of the rest."""

import subprocess

import pytest
import yaml
from dvc.repo import Repo

from tests.flows.releases.conftest import MODEL


@pytest.fixture
def shop(toy):
    """A project whose model also depends on the folder `data`, of which git knows one file, and on `code.py`."""
    toy.project.stages(train={**MODEL, "deps": ["in.txt", "data", "code.py"]})
    described = yaml.safe_load(toy.project.read("dvc.yaml")) | {"artifacts": {"model": {"path": "artifacts/model"}}}
    toy.project.write("dvc.yaml", yaml.safe_dump(described))
    toy.project.write("data/rows.csv", "a\n")
    toy.project.write("code.py", "old\n")
    toy.commit()
    return toy


def in_release(toy, path):
    assert toy.retrain() == 0
    return toy.git.file("releases", path)


def unknown(toy):
    """What the card says is in no commit."""
    assert toy.retrain() == 0
    lines = toy.git.file("releases", "releases/card.md").splitlines()
    return [line.split(": ")[1] for line in lines if "in no commit" in line]


@pytest.mark.parametrize("staging", [["add"], ["add", "--intent-to-add"], ["add", "--force"]])
def test_a_file_that_is_staged_is_in_the_release(shop, staging):
    name = "data/ignored.png" if "--force" in staging else "data/new.png"
    shop.project.write(".gitignore", shop.project.read(".gitignore") + "ignored.png\n")
    shop.project.write(name, "a picture")
    shop.git.run(*staging, name)
    before = shop.git.run("status", "--porcelain")
    assert in_release(shop, name) == "a picture"
    assert [line for line in shop.git.run("status", "--porcelain").split("\n") if "data" in line] == [
        line for line in before.split("\n") if "data" in line
    ]
    assert "in no commit" not in shop.git.file("releases", "releases/card.md")


def test_a_folder_that_is_new_and_staged_is_in_the_release_and_nothing_beside_what_the_stages_read(toy):
    toy.project.stages(train={**MODEL, "deps": ["in.txt", "fresh"]})
    described = yaml.safe_load(toy.project.read("dvc.yaml")) | {"artifacts": {"model": {"path": "artifacts/model"}}}
    toy.project.write("dvc.yaml", yaml.safe_dump(described))
    toy.project.write("fresh/a b.txt", "a")
    toy.project.write("beside.txt", "b")
    toy.git.run("add", "fresh", "beside.txt")
    assert in_release(toy, "fresh/a b.txt") == "a"
    assert toy.git.file("releases", "beside.txt") is None


def test_a_file_that_was_staged_and_is_gone_hinders_no_release(shop):
    shop.project.write("data/new.png", "a picture")
    shop.git.run("add", "data")
    (shop.root / "data" / "new.png").unlink()
    assert in_release(shop, "data/new.png") is None


def test_a_file_that_git_does_not_know_is_named(shop):
    shop.project.write("data/new.png", "a picture")
    assert unknown(shop) == ["data/new.png"]


def test_data_that_git_is_told_to_ignore_is_named(shop):
    shop.project.write(".gitignore", shop.project.read(".gitignore") + "/data/pictures/\n")
    shop.project.write("data/pictures/a.png", "a picture")
    assert unknown(shop) == ["data/pictures/a.png"]


def test_what_dvc_ignores_or_keeps_itself_is_not_named(shop):
    shop.project.write(".dvcignore", "__pycache__\n")
    shop.project.write("data/__pycache__/code.pyc", "bytes")
    for name in ("data/pictures/a.png", "data/one.png"):
        shop.project.write(name, "a picture")
    with Repo(str(shop.root)) as repo:
        repo.add(["data/pictures", "data/one.png"])
    subprocess.run(["git", "add", "data"], cwd=shop.root, check=True)
    shop.project.write("more.txt", "more")
    assert unknown(shop) == []


def test_what_a_stage_made_is_not_named(shop):
    described = yaml.safe_load(shop.project.read("dvc.yaml"))
    first = {"cmd": "mkdir -p artifacts && cp in.txt artifacts/rows", "deps": ["in.txt"], "outs": ["artifacts/rows"]}
    train = {**MODEL, "deps": ["in.txt", "data", "code.py", "artifacts/rows"]}
    shop.project.write("dvc.yaml", yaml.safe_dump({**described, "stages": {"first": first, "train": train}}))
    assert unknown(shop) == []
