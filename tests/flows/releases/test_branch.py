"""The branch of releases in a clone, which has tags at once and the branch only as its remote's."""

import subprocess
from dataclasses import replace

import pytest

from flows.branch import Branch
from flows.releasing import Releaser
from mmcore.errors import SetupError
from mmcore.releases.git import Git
from mmcore.releases.settings import ReleaseSettings


@pytest.fixture
def clone(released, tmp_path):
    """Of a repository with one release and one look."""
    released.data(0)
    released.retrain()
    root = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(released.root), str(root)], check=True)
    return Git(root)


def test_a_fresh_clone_knows_every_look_and_goes_on_from_there(clone, released):
    branch = Branch(clone, ReleaseSettings())
    assert branch.looks_text() == released.releaser().branch.looks_text()
    (look,) = branch.looks()
    branch.looked(replace(look, challenger="another"))
    assert [look.challenger for look in branch.looks()] == [look.challenger, "another"]
    assert clone.run("rev-parse", "releases^") == released.releaser().branch.tip


def test_looks_that_were_fetched_count_where_the_branch_lags_behind(clone, released):
    clone.run("branch", "releases", "origin/releases")
    released.data(2)
    released.retrain()
    clone.run("fetch", "-q")
    branch = Branch(clone, ReleaseSettings())
    assert branch.looks() == released.looks()
    assert branch.commit({}, "more", tree="HEAD", parents=[branch.tip]) == clone.run("rev-parse", "releases")


def test_looks_of_our_own_count_where_the_remote_lags_behind(clone):
    branch = Branch(clone, ReleaseSettings())
    branch.looked(replace(branch.looks()[0], challenger="another"))
    assert branch.tip == clone.run("rev-parse", "releases") != clone.run("rev-parse", "origin/releases")


def test_a_release_of_a_fresh_clone_is_told_to_its_remote(clone, released, monkeypatch):
    released.git.run("update-ref", "-d", "refs/heads/releases")
    subprocess.run(["cp", "-r", str(released.root / ".dvc" / "cache"), str(clone.root / ".dvc")], check=True)
    monkeypatch.chdir(clone.root)
    told = list[str]()
    Releaser(clone.root, ReleaseSettings(git_remote="origin"), told.append).point_at("v1.0.0", reason="as it was")
    assert not [line for line in told if "Could not be told" in line]
    assert released.git.run("rev-parse", "releases") == clone.run("rev-parse", "origin/releases")


def test_releases_whose_branch_is_missing_are_told_with_the_way_to_get_it(clone):
    clone.run("update-ref", "-d", "refs/remotes/origin/releases")
    with pytest.raises(SetupError, match="git fetch origin releases:releases"):
        Branch(clone, ReleaseSettings()).looks()


def test_before_the_first_release_there_is_no_look(toy):
    assert Branch(toy.git, ReleaseSettings()).looks() == []
