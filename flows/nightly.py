"""One run of the schedule: a clean worktree of the commit, `python -m flows.retrain` in it, and old ones cleared away.

The worker of `make serve` calls this as a Prefect flow. What it runs is a command of its own, from the worktree's code:
neither a person's working tree nor a fault of the run can get into the way of the next one.
"""

import json
import logging
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.exceptions import FailedRun
from prefect.states import Completed, Failed

from flows.changes import signature
from flows.command import Ended, run_command
from flows.dvc_errors import reason_of
from flows.environment import for_stages, python_module, served_clone
from flows.lifeline import Lifeline
from flows.outcome import Status
from flows.prune import keep_use, prune
from flows.record import one_at_a_time, read_record, write_record
from flows.sharing import clash_in
from flows.signals import noted
from flows.stop import Stop
from flows.timetable import Timetable, read_timetable
from flows.worktree import FOLDER, add_worktree, code_of, git
from mmcore.errors import MmcoreError, SetupError
from mmcore.releases.git import Git

TAIL_LINES = 12
NAMED = 5  # stages that failed in one message
LONGEST_H = 555.0  # that subprocess can wait: poll() counts milliseconds in 31 bits
LEAST_FREE = 500 * 2**20  # bytes: a run that fills the disk takes the server's database with it
RESULT = Path(".mm", "retrain.json")
MENDABLE = 2
UNEVENTFUL = "Nothing new"


def _is_no_surprise(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], FailedRun))


# Prefect prints where in Prefect it noticed that a flow had failed, a page of it, below our own account of why. The
# program that a worker starts prints it in the name of the run (prefect/flow_engine.py), others in the engine's.
for _name in ("prefect.flow_runs", "prefect.engine"):
    logging.getLogger(_name).addFilter(_is_no_surprise)


# What it returns is a state, which no annotation says: Prefect would check it against the type of the value.
@flow(name="nightly", persist_result=False)
def nightly(only_if_changed: bool = False, force: bool = False, release: bool | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Retrain what is committed.

    only_if_changed: end at once where data and code are as the last run found them. force: run every stage. release:
    whether a better model goes out; as conf/schedule.yaml says where it is not said here.
    """
    try:
        clone = served_clone()
        timetable = read_timetable(clone)
        with one_at_a_time(clone):
            return _run(clone, timetable, only_if_changed=only_if_changed, force=force, release=release)
    except MmcoreError as error:
        get_run_logger().error("%s", error)
        return Failed(message=str(error))


def _run(clone: Path, timetable: Timetable, *, only_if_changed: bool, force: bool, release: bool | None) -> State[Any]:
    commit = _wanted_commit(clone, timetable)
    mark = signature(clone, commit, timetable)
    if only_if_changed and mark == read_record(clone).get("signature"):
        return Completed(name=UNEVENTFUL, message=f"Data and code are as the last run found them ({commit[:9]}).")
    found = {"signature": mark, "commit": commit}
    try:
        worktree, lacks = _prepare(clone, commit, timetable)
    except (MmcoreError, OSError):
        with suppress(OSError):  # of a full disk, which would hide what is the matter
            write_record(clone, found)
        raise
    last: deque[str] = deque(maxlen=TAIL_LINES)
    ended = _retrain(worktree, timetable, last, flags=_flags(timetable, force=force, release=release))
    told = _told(worktree)
    # Also of a run that failed: the same would fail again every few minutes. The next one by the clock tries again.
    write_record(clone, {**found, "worktree": worktree.name, "code": ended.code})
    keep_use(clone, worktree)
    if timetable.remote is not None and not ended.code:
        _dvc(worktree, "push", "--run-cache", hours=timetable.timeout_h)
    message = _message(ended, told, _causes(told, lacks, last, worktree=worktree.name), timetable)
    create_markdown_artifact(_page(message, told, worktree, commit), key="nightly", description=message.splitlines()[0])
    return Failed(message=message) if ended.code or ended.timed_out else Completed(message=message)


def _prepare(clone: Path, commit: str, timetable: Timetable) -> tuple[Path, list[str]]:
    """The worktree, with its data, and why it lacks some of that."""
    _make_room(clone, timetable)
    name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}-{commit[:9]}"
    worktree = add_worktree(clone, commit, name=name, share=timetable.share, remote=timetable.remote)
    return worktree, _bring_data(worktree, timetable)


def _make_room(clone: Path, timetable: Timetable) -> None:
    """Before the run, which needs the room. What cannot be cleared away must not keep the run from happening."""
    keep = replace(timetable.keep, worktrees=max(0, timetable.keep.worktrees - 1))  # and the one that comes
    try:
        get_run_logger().info("Cleared away: %s", prune(clone, keep))
    except (MmcoreError, OSError) as error:
        get_run_logger().warning("Not all could be cleared away: %s", error)
    free = shutil.disk_usage(clone).free
    if free < LEAST_FREE:
        raise SetupError(
            f"Only {free / 2**30:.2f} GiB are free where {clone} lies, too little to begin. Lower `keep` in "
            "conf/schedule.yaml, or make room."
        )


def _wanted_commit(clone: Path, timetable: Timetable) -> str:
    if timetable.fetch is not None:
        try:
            git(clone, "fetch", "--tags", timetable.fetch)  # not --quiet, which hides the tags that clash
        except SetupError as error:
            clash = clash_in(str(error), timetable.fetch)
            if clash is None:
                raise
            get_run_logger().warning("%s", clash)
    return git(clone, "rev-parse", "--verify", f"{timetable.ref}^{{commit}}")


def _flags(timetable: Timetable, *, force: bool, release: bool | None) -> list[str]:
    released = timetable.release if release is None else release
    said = [] if released is None else ["--release" if released else "--no-release"]
    return ["--wait", "--jobs", str(timetable.jobs), *(["--force"] if force else []), *said]


def _bring_data(worktree: Path, timetable: Timetable) -> list[str]:
    """Files that DVC tracks, from its cache. Returns why some cannot be had.

    Where the timetable names a remote, from there too, and with them what other machines made.
    """
    far, hours = timetable.remote is not None, timetable.timeout_h
    if far:
        _dvc(worktree, "fetch", "--run-cache", hours=hours)
    tracked = Git(worktree).lines("ls-files", "--", "*.dvc")
    return _dvc(worktree, "pull" if far else "checkout", *tracked, hours=hours) if tracked else []


def _dvc(worktree: Path, *arguments: str, hours: float) -> list[str]:
    """Where it fails a run goes on: it may have more to do. Returns a line that says why, or none."""
    hours = min(hours, LONGEST_H)
    try:
        done = subprocess.run(
            [*python_module("dvc"), *arguments], cwd=worktree, env={**os.environ, **for_stages()}, capture_output=True,
            text=True, check=False, timeout=hours * 3600,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        why = f"it was given up after {hours:g} h (timeout_h in conf/schedule.yaml)"
    else:
        if not done.returncode:
            return []
        why = reason_of(done)
    told = f"`dvc {' '.join(arguments)}` failed: {why}"
    get_run_logger().warning("%s", told)
    return [told]


def _retrain(worktree: Path, timetable: Timetable, last: deque[str], *, flags: Sequence[str]) -> Ended:
    """The command, its lines going to Prefect's log and to whoever watches the worker."""
    log, stop = get_run_logger(), Stop()
    pull = {} if timetable.remote is None else {"MM_PULL": "1"}

    def show(line: str) -> None:
        last.append(line)
        log.info("%s", line)
        print(line, flush=True)

    show(f"Retraining {worktree.name} in a clean worktree.")
    # Its result alone is on stdout; it goes to a file, so that its lines can be shown as they come.
    aside = ["sh", "-c", 'out=$0; exec "$@" > "$out"', str(worktree / RESULT)]
    leashed = [*python_module("flows.leash"), *python_module("flows.retrain"), "--json", *flags]
    with closing(Lifeline()) as lifeline, noted(lambda _: stop.request()):
        return run_command(
            [*aside, *leashed],
            show,
            folder=worktree,
            environment={**os.environ, **for_stages(), **pull, "PYTHONPATH": code_of(worktree)},
            stop=stop,
            lifeline=lifeline,
            timeout_s=min(timetable.timeout_h * 3600, threading.TIMEOUT_MAX),
        )


def _told(worktree: Path) -> Mapping[str, Any]:
    """What the command said for programs; nothing where it did not come to that."""
    try:
        told = json.loads((worktree / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _causes(told: Mapping[str, Any], lacks: Sequence[str], last: Sequence[str], *, worktree: str) -> list[str]:
    """Of a run that failed: why its stages did, or why it has no verdict; what was said last where neither is told.

    lacks: what was amiss before it began.
    """
    failed = [stage for stage in told.get("stages", []) if stage["status"] == Status.FAILED]
    record = told.get("verdict") or {}
    if failed:
        lines = [f"{stage['stage']} failed: {stage['reason']}" for stage in failed[:NAMED]]
        lines += [f"And {len(failed) - NAMED} more failed."] if len(failed) > NAMED else []
        return [*lines, *lacks, f"`dvc repro {failed[0]['stage']}` in {FOLDER / worktree} runs it again."]
    if not record.get("judged", True):
        return [f"{record['verdict']}: {' '.join(record['reasons'])}", *lacks]
    return [*lacks, *last]


def _message(ended: Ended, told: Mapping[str, Any], causes: Sequence[str], timetable: Timetable) -> str:
    """A line that says it all, and the causes where it failed."""
    if ended.timed_out:
        return f"Ended after {timetable.timeout_h:g} h (timeout_h in conf/schedule.yaml)."
    if ended.code:
        whose = "for the user to mend" if ended.code == MENDABLE else "a fault"
        return "\n".join([f"Retraining ended with exit code {ended.code} ({whose}).", *causes])
    scores = [f"{score['name']} {score['value']:.4f}" for score in told.get("scores", [])[:1]]
    record, release = told.get("verdict") or {}, told.get("release") or {}
    verdict = [f"{record['verdict']}: {' '.join(record['reasons'][:1])}"] if "verdict" in record else []
    released = [f"Released as {release['number']}."] if "number" in release else []
    done = "Retrained." if told.get("stages") else "Nothing to do."
    return " ".join([done, *scores, *verdict, *released, told.get("note") or ""]).strip()


def _page(message: str, told: Mapping[str, Any], worktree: Path, commit: str) -> str:
    """What the UI shows of the run."""
    first, _, rest = message.partition("\n")
    lines = [f"### {first}", "", f"Commit `{commit}`, in `{worktree}`.", ""]
    lines += ["```", rest, "```", ""] if rest else []
    lines += ["| score | value |", "| --- | --- |"] if told.get("scores") else []
    lines += [
        f"| {score['name']} | {score['value']:.4f} |" for score in told.get("scores", []) if score.get("interval")
    ]
    return "\n".join(lines)
