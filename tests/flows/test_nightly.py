import errno
import shutil
from collections import namedtuple
from dataclasses import replace

import pytest
from dvc.repo import Repo
from prefect.logging import disable_run_logger

import flows.nightly
from flows.command import Ended
from flows.nightly import UNEVENTFUL, _bring_data, _flags, _make_room, _message, _run, _wanted_commit
from flows.timetable import Timetable
from flows.worktree import FOLDER, add_worktree, git
from mmcore.errors import SetupError

SCORES = [{"name": "answer/accuracy", "value": 0.98765, "interval": [0.9, 1.0]}]


def message(*, code=0, told=None, last=(), timed_out=False):
    return _message(Ended(code, timed_out), told or {}, last, Timetable())


def test_a_message_says_it_all_in_a_line():
    verdict = {"verdict": "PROMOTE", "reasons": ["Better by 0.01.", "And more."]}
    told = {"stages": [{}], "scores": SCORES, "verdict": verdict, "release": {"number": "v1.2.0"}, "note": ""}
    assert message(told=told) == "Retrained. answer/accuracy 0.9877 PROMOTE: Better by 0.01. Released as v1.2.0."
    assert message(told={"stages": [], "scores": SCORES, "verdict": None, "release": None}) == (
        "Nothing to do. answer/accuracy 0.9877"
    )


def test_a_message_of_a_failure_says_whose_it_is_and_what_was_said_last():
    assert message(code=2, last=["No column answr."]) == (
        "Retraining ended with exit code 2 (for the user to mend).\nNo column answr."
    )
    assert "(a fault)" in message(code=1)
    assert message(code=143, timed_out=True) == "Ended after 12 h (timeout_h in conf/schedule.yaml)."


@pytest.mark.parametrize(
    ("stated", "asked", "said"),
    [(None, None, []), (True, None, ["--release"]), (True, False, ["--no-release"]), (None, True, ["--release"])],
)
def test_what_a_run_is_asked_for_comes_before_what_the_timetable_says(stated, asked, said):
    flags = _flags(replace(Timetable(), release=stated), force=False, release=asked)
    assert [flag for flag in flags if "release" in flag] == said
    assert "--wait" in flags


def test_a_ref_is_the_commit_it_means_and_one_that_is_none_is_told(project):
    git(project.root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one")
    assert _wanted_commit(project.root, Timetable()) == git(project.root, "rev-parse", "HEAD")
    with pytest.raises(SetupError, match="nothing-of-that-name"):
        _wanted_commit(project.root, replace(Timetable(), ref="nothing-of-that-name"))
    with pytest.raises(SetupError, match="fetch"):
        _wanted_commit(project.root, replace(Timetable(), fetch="nowhere"))


def test_a_run_does_not_begin_on_a_full_disk(project, monkeypatch):
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 99, 1))
    with disable_run_logger(), pytest.raises(SetupError, match="GiB are free"):
        _make_room(project.root, Timetable())


def test_what_cannot_be_cleared_away_keeps_no_run_from_happening(project, monkeypatch):
    asked = []

    def full(*arguments, **__):
        asked.append(arguments)
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(flows.nightly, "prune", full)
    with disable_run_logger():
        _make_room(project.root, Timetable())  # raises nothing

    assert len(asked) == 1


@pytest.mark.parametrize("name", ["data.csv", "数据.csv"])
def test_data_that_was_added_to_dvc_is_there_in_a_clean_worktree(project, name):
    project.write(name, "1\n")
    with Repo(str(project.root)) as repo:
        repo.add(name)
    git(project.root, "add", "-A")
    git(project.root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "data")
    path = add_worktree(project.root, "HEAD", name="run", share=[])
    assert not (path / name).exists()
    with disable_run_logger():
        _bring_data(path, far=False)
    assert (path / name).read_text() == "1\n"


def test_what_fails_before_the_retraining_is_tried_once_until_something_changes(project, monkeypatch):
    project.write(".gitignore", "/.mm\n/rows\n")
    git(project.root, "add", "-A")
    git(project.root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one")
    monkeypatch.setattr(flows.nightly, "_make_room", lambda *_: None)
    look = {"only_if_changed": True, "force": False, "release": None}
    shared = replace(Timetable(), share=("rows",))
    with disable_run_logger(), pytest.raises(SetupError, match="is not there"):
        _run(project.root, shared, **look)
    assert _run(project.root, shared, **look).name == UNEVENTFUL
    assert list((project.root / FOLDER).iterdir()) == []
    project.write("rows/one.png", "1")
    monkeypatch.setattr(flows.nightly, "_prepare", lambda *_: (_ for _ in ()).throw(SetupError("again")))
    with disable_run_logger(), pytest.raises(SetupError, match="again"):
        _run(project.root, shared, **look)
