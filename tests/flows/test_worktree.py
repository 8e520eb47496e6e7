import os
import subprocess
import sys

import pytest
from dvc.repo import Repo

from flows.worktree import add_worktree, code_of, git, list_worktrees, remove_worktree
from mmcore.errors import SetupError


@pytest.fixture
def committed(project):
    project.write(".gitignore", "/.mm\n/out.txt\n/private\n")
    project.stages(copy={"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]})
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
    git(project.root, "add", "-A")
    git(project.root, *identity, "commit", "-q", "-m", "a commit")
    return project


def test_it_holds_what_is_committed_and_not_what_a_person_is_at(committed):
    committed.write("in.txt", "half a sentence")
    path = add_worktree(committed.root, "HEAD", name="run", share=[])
    assert (path / "in.txt").read_text() == "one\n"
    assert committed.read("in.txt") == "half a sentence"


def test_the_cache_is_the_clones(committed, monkeypatch):
    committed.reproduce()
    path = add_worktree(committed.root, "HEAD", name="run", share=[])
    monkeypatch.chdir(path)
    with Repo(str(path)) as repo:
        assert repo.cache.local.path == str(committed.root / ".dvc" / "cache" / "files" / "md5")
        repo.reproduce()
        assert (path / "out.txt").read_text() == "one\n"


def test_a_remote_that_is_named_by_a_relative_path_is_the_same_from_there(committed):
    committed.write(".dvc/config", "['remote \"near\"']\n    url = ../../storage\n")
    path = add_worktree(committed.root, "HEAD", name="run", share=[])
    with Repo(str(path)) as repo:
        assert repo.config["remote"]["near"]["url"] == str(committed.root.parent / "storage")


def test_checkpoints_of_one_run_are_found_by_the_next(committed):
    path = add_worktree(committed.root, "HEAD", name="run", share=[])
    (path / ".mm" / "training" / "mark").mkdir()
    remove_worktree(committed.root, path)
    again = add_worktree(committed.root, "HEAD", name="again", share=[])
    assert (again / ".mm" / "training" / "mark").is_dir()


def test_a_shared_folder_is_seen_and_survives_the_worktree(committed):
    committed.write("private/rows.csv", "1\n")
    path = add_worktree(committed.root, "HEAD", name="run", share=["private"])
    assert (path / "private" / "rows.csv").read_text() == "1\n"
    remove_worktree(committed.root, path)
    assert committed.read("private/rows.csv") == "1\n"


def test_a_hook_of_the_clone_does_not_get_into_the_way(committed):
    committed.write(".git/hooks/post-checkout", "#!/bin/sh\nexit 1\n").chmod(0o755)  # as `dvc install` makes one
    assert (add_worktree(committed.root, "HEAD", name="run", share=[]) / "in.txt").exists()


@pytest.mark.parametrize(("shared", "message"), [("nowhere", "is not there"), ("in.txt", "is in git as well")])
def test_what_cannot_be_shared_is_told(committed, shared, message):
    with pytest.raises(SetupError, match=message):
        add_worktree(committed.root, "HEAD", name="run", share=[shared])
    assert list_worktrees(committed.root) == []
    assert git(committed.root, "worktree", "list").count("\n") == 0


def test_half_a_worktree_is_removed_as_well(committed):
    path = add_worktree(committed.root, "HEAD", name="run", share=[])
    (path / ".git").unlink()
    remove_worktree(committed.root, path)
    assert not path.exists()
    assert git(committed.root, "worktree", "list").count("\n") == 0
    assert list_worktrees(committed.root) == []


def test_the_code_that_runs_is_the_worktrees(committed):
    committed.write("mmcore/__init__.py", "")
    committed.write("plugins/mm-mine/pyproject.toml", "")
    committed.write("plugins/mm-mine/mm_mine.py", "")
    tell = "import mmcore, mm_mine; print(mmcore.__file__, mm_mine.__file__)"
    environment = {**os.environ, "PYTHONPATH": code_of(committed.root)}
    told = subprocess.run([sys.executable, "-c", tell], env=environment, capture_output=True, text=True, check=True)
    root = committed.root
    assert told.stdout.strip() == f"{root}/mmcore/__init__.py {root}/plugins/mm-mine/mm_mine.py"


def test_what_git_refuses_is_told_in_its_words(committed):
    with pytest.raises(SetupError, match="nothing-of-that-name"):
        add_worktree(committed.root, "nothing-of-that-name", name="run", share=[])
