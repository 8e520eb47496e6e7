import errno
import json
import logging
import shutil
import threading
from collections import deque, namedtuple
from contextlib import nullcontext
from dataclasses import replace

import pytest
from dvc.repo import Repo
from prefect.client.orchestration import get_client
from prefect.exceptions import FailedRun
from prefect.flow_engine import run_flow
from prefect.logging import disable_run_logger
from prefect.logging.loggers import flow_run_logger

import flows.command
import flows.nightly
import mmcore.releases.git
from flows.command import Ended
from flows.nightly import (
    RESULT,
    UNEVENTFUL,
    _bring_data,
    _flags,
    _make_room,
    _message,
    _retrain,
    _run,
    _wanted_commit,
    nightly,
)
from flows.timetable import Timetable
from flows.worktree import FOLDER, add_worktree, git
from mmcore.errors import SetupError

SCORES = [{"name": "answer/accuracy", "value": 0.98765, "interval": [0.9, 1.0]}]


def message(*, code=0, told=None, causes=(), timed_out=False):
    return _message(Ended(code, timed_out), told or {}, causes, Timetable())


@pytest.fixture
def night(project, monkeypatch):
    """Run one whose `flows.retrain` says and tells what is given, and ends with exit code 2; gives its message."""
    project.write(".gitignore", "/.mm\n/data.csv\n")

    def night(*, said, told, timetable=None):
        def retrain(worktree, _, last, **__):
            last.extend(said)
            if told is not None:
                (worktree / RESULT).parent.mkdir(exist_ok=True)
                (worktree / RESULT).write_text(json.dumps(told))
            return Ended(2, timed_out=False)

        git(project.root, "add", "-A")
        git(project.root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one")
        monkeypatch.setattr(flows.nightly, "_retrain", retrain)
        monkeypatch.setattr(flows.nightly, "create_markdown_artifact", lambda *_, **__: None)
        with disable_run_logger():
            state = _run(project.root, timetable or Timetable(), only_if_changed=False, force=False, release=None)
        assert state.is_failed()
        return state.message

    return night


def test_a_message_says_it_all_in_a_line():
    verdict = {"verdict": "PROMOTE", "reasons": ["Better by 0.01.", "And more."]}
    told = {"stages": [{}], "scores": SCORES, "verdict": verdict, "release": {"number": "v1.2.0"}, "note": ""}
    assert message(told=told) == "Retrained. answer/accuracy 0.9877 PROMOTE: Better by 0.01. Released as v1.2.0."
    assert message(told={"stages": [], "scores": SCORES, "verdict": None, "release": None}) == (
        "Nothing to do. answer/accuracy 0.9877"
    )


def test_a_message_of_a_failure_says_whose_it_is_and_why():
    assert message(code=2, causes=["No column answr."]) == (
        "Retraining ended with exit code 2 (for the user to mend).\nNo column answr."
    )
    assert "(a fault)" in message(code=1)
    assert message(code=143, timed_out=True) == "Ended after 12 h (timeout_h in conf/schedule.yaml)."


SKIPPED = [f"│ stage-{number} │ skipped │ because of ingest │" for number in range(20)]


def outcome(stage, status, reason):
    return {"stage": stage, "status": status, "reason": reason}


def test_a_failed_night_says_which_stages_failed_and_why_not_what_was_skipped(night):
    stages = [outcome("ingest", "failed", "No column answr."), outcome("train", "skipped", "because of ingest")]
    first, cause, again = night(said=SKIPPED, told={"stages": stages, "verdict": None}).splitlines()
    assert first == "Retraining ended with exit code 2 (for the user to mend)."
    assert cause == "ingest failed: No column answr."
    assert again.startswith("`dvc repro ingest` in .mm/worktrees/20")


def test_of_many_stages_that_failed_some_are_named(night):
    stages = [outcome(f"fit@{number}", "failed", "No room.") for number in range(40)]
    lines = night(said=SKIPPED, told={"stages": stages}).splitlines()
    assert lines[5:7] == ["fit@4 failed: No room.", "And 35 more failed."]


def test_a_night_that_could_not_be_judged_says_why(night):
    verdict = {"verdict": "HOLD", "judged": False, "reasons": ["The model in use is damaged.", "Fetch it."]}
    told = {"stages": [outcome("train", "ran", "")], "verdict": verdict}
    assert night(said=SKIPPED, told=told).endswith("mend).\nHOLD: The model in use is damaged. Fetch it.")


def test_a_night_that_tells_no_reason_quotes_what_it_said_last(night):
    assert night(said=["error: `dvc push` failed."], told=None).endswith("\nerror: `dvc push` failed.")


def test_data_that_could_not_be_fetched_stands_in_the_message_with_what_dvc_says_of_it(night, project, tmp_path):
    project.write(".dvc/config", f"['remote \"shared\"']\n    url = {tmp_path / 'nothing'}\n")
    project.write(
        "data.csv.dvc", "outs:\n- md5: b026324c6904b2a9cb4b88d6d61c81d1\n  size: 2\n  hash: md5\n  path: data.csv\n"
    )
    told = {"stages": [outcome("data.csv.dvc", "failed", "missing data")]}
    cause, lacks = night(said=SKIPPED, told=told, timetable=replace(Timetable(), remote="shared")).splitlines()[1:3]
    assert cause == "data.csv.dvc failed: missing data"
    assert lacks.startswith("`dvc pull data.csv.dvc` failed: ERROR: failed to pull data")


def test_of_a_failed_night_prefect_prints_no_traceback(prefect_server, monkeypatch, caplog):
    def broken():
        raise SetupError("no such clone")

    monkeypatch.setattr(flows.nightly, "served_clone", broken)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(nightly)
    logger = logging.getLogger("prefect.flow_runs")
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(FailedRun, match="no such clone"):
            run_flow(nightly, flow_run=run, error_logger=flow_run_logger(flow_run=run))  # as a worker's program does
    finally:
        logger.removeHandler(caplog.handler)
    assert "no such clone" in caplog.text
    assert "Traceback" not in caplog.text


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


def test_a_damaged_object_of_the_cache_keeps_no_run_from_happening(project):
    project.stages(make={"cmd": "mkdir out && cp in.txt out", "deps": ["in.txt"], "outs": ["out"]})
    project.reproduce()
    (damaged,) = (project.root / ".dvc" / "cache").rglob("*.dir")
    damaged.chmod(0o644)
    damaged.write_text("[")
    cached = sorted((project.root / ".dvc" / "cache").rglob("*"))
    with disable_run_logger():
        _make_room(project.root, Timetable())  # raises nothing
    assert sorted((project.root / ".dvc" / "cache").rglob("*")) == cached


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
        _bring_data(path, Timetable())
    assert (path / name).read_text() == "1\n"


def test_data_that_does_not_come_in_time_is_given_up_and_told(project):
    project.write("data.csv.dvc", "outs:\n- {md5: b026324c6904b2a9cb4b88d6d61c81d1, path: data.csv}\n")
    git(project.root, "add", "-A")
    with disable_run_logger():
        (told,) = _bring_data(project.root, replace(Timetable(), remote="far", timeout_h=1e-5))
    assert told == "`dvc pull data.csv.dvc` failed: it was given up after 1e-05 h (timeout_h in conf/schedule.yaml)"


@pytest.mark.parametrize("hours", [10_000, float("inf")])
def test_any_number_of_hours_may_be_given(project, monkeypatch, hours):
    began = []
    monkeypatch.setattr(flows.nightly, "python_module", lambda module: ["sh", "-c", "exit 3"])
    monkeypatch.setattr(flows.command, "_alarm", lambda seconds, _: began.append(seconds) or nullcontext())
    project.write("data.csv.dvc", "outs:\n- {md5: b026324c6904b2a9cb4b88d6d61c81d1, path: data.csv}\n")
    (project.root / RESULT.parent).mkdir(exist_ok=True)
    git(project.root, "add", "-A")
    timetable = replace(Timetable(), timeout_h=hours)
    with disable_run_logger():
        assert _bring_data(project.root, timetable) == ["`dvc checkout data.csv.dvc` failed: it ended with 3"]
        assert _retrain(project.root, timetable, deque(), flags=[]).code == 3
    assert began == [min(hours * 3600, threading.TIMEOUT_MAX)]


def test_a_repository_that_does_not_answer_fails_the_night_before_it_begins(project, silent, monkeypatch):
    monkeypatch.setattr(mmcore.releases.git, "SILENCE_S", 0.3)
    git(project.root, "remote", "add", "far", f"git://{silent.address}/x")
    with pytest.raises(SetupError, match="far said nothing"):
        _wanted_commit(project.root, replace(Timetable(), fetch="far"))


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
