"""The DVC graph, one stage at a time and several side by side; the only file that imports dvc.

`dvc repro` runs one stage after another, and several of them at once fail on each other's locks. Here one process does
what DVC does for a stage, with the same parts of it, in the same order. DVC's bookkeeping (is it changed? restore it,
save it) is not safe between threads: it happens under a mutex, and under DVC's own lock on the repository, so that a
`dvc` in a terminal beside us stays right. While a command runs only the stage's files are locked, as in `dvc repro`.
Those parts have no public names: the version of DVC is pinned, and tests/flows/test_dvc_contract.py holds it to them.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dvc.dependency.db import AbstractDependency
from dvc.dependency.repo import RepoDependency
from dvc.exceptions import CollectCacheError, DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.rwlock import rwlock
from dvc.stage.cache import RunCacheNotFoundError, StageCache
from dvc.stage.run import _enforce_cmd_list, _make_cmd, get_executable, prepare_kwargs
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml

from flows.command import run_command
from flows.damaged import drop_damaged
from flows.dvc_errors import told_by
from flows.environment import for_stages
from flows.failure import StageFailed, failure_of
from flows.lifeline import Lifeline
from flows.lockfile import put_entry, replace_text
from flows.outcome import Outcome, Status
from flows.stop import Stop
from flows.tracked import check_whole, take_in
from flows.wishes import read_wishes
from mmcore.errors import SetupError

TAIL_LINES = 20  # of a failed command, kept for the summary
PULL = "MM_PULL"  # set: outputs that another machine made are fetched from DVC's default remote

# DVC sets its loggers up as for its command line: news on stdout, and a warning for each empty file it hashes.
for _name_of_logger in ("dvc", "dvc_objects", "dvc_data"):
    logging.getLogger(_name_of_logger).setLevel(logging.ERROR)

DvcStage = Any  # DVC has no types
Show = Callable[[str], None]


class Graph:
    """The stages of the repository in the working folder that `dvc repro` would look at.

    In the working folder because DVC looks there in places, whatever folder it is given.
    """

    def __init__(self) -> None:
        """Raises SetupError where DVC cannot read the repository or its stages."""
        try:
            self._repo = Repo()
            index = self._repo.index
            graph = get_active_graph(index.graph)
            # Those of dvc.yaml and, before each, whatever it needs: data, imports, stages of other folders.
            stages = plan_repro(graph, [stage for stage in index.stages if stage.path_in_repo == "dvc.yaml"])
        except DvcException as error:
            raise SetupError(f"DVC cannot read the stages in {Path.cwd()}: {told_by(error)}") from error
        self._stages = {stage.addressing: stage for stage in stages}
        # Each stage after those it needs, as `plan_repro` has them.
        self.needs = {stage.addressing: tuple(one.addressing for one in graph.successors(stage)) for stage in stages}
        self.wishes = {name: read_wishes(name, stage.meta) for name, stage in self._stages.items()}
        self._mutex = threading.RLock()
        self._held: dict[str, ExitStack] = {}
        self._lifeline = Lifeline()

    def close(self) -> None:
        """Let go of DVC's files, and end commands that still run."""
        self._lifeline.close()
        self._repo.close()

    def stale(self) -> list[str]:
        """The stages that do not stand as data, code and parameters ask for, what depends on them left aside."""
        with self._bookkeeping(Stop()):
            return [name for name, stage in self._stages.items() if _changed(stage)]

    def run(
        self,
        name: str,
        show: Show,
        *,
        stop: Stop,
        force: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Bring one stage up to date; those it needs are. Never raises for what a stage or DVC can get wrong.

        show: gets each line of output, from another thread. environment: variables for its commands, on top.
        """
        began, at, extra = time.monotonic(), datetime.now(UTC), environment or {}
        try:
            with self._files_of(name, show, stop=stop):
                status, reason, mendable = self._bring_up_to_date(name, show, stop, force=force, extra=extra), "", True
        except _Stopped:
            status, reason, mendable = Status.STOPPED, "", True
        except StageFailed as error:
            status, reason, mendable = Status.FAILED, str(error), error.mendable
        except (DvcException, SetupError, OSError) as error:
            status, reason, mendable = Status.FAILED, told_by(error), True
        return Outcome(name, status, time.monotonic() - began, reason, mendable, began=f"{at:%F %T}")

    def _bring_up_to_date(self, name: str, show: Show, stop: Stop, *, force: bool, extra: Mapping[str, str]) -> Status:
        stage = self._stages[name]
        with self._bookkeeping(stop):
            has_command = stage.cmd and not stage.frozen
            if not (force and has_command) and not stage.changed():
                check_whole(stage)
                return Status.UNCHANGED
            if not has_command:
                take_in(stage, show)
                return Status.RAN
            stage.remove_outs()
            if not force and self._restore(stage, show):
                self._record(stage, show)
                return Status.RESTORED
            stage.save_deps()
        before = _inputs(stage)
        self._run_commands(stage, show, stop, extra=extra)
        with self._bookkeeping(stop):
            stage.save_deps()
            if changed := [path for path, content in _inputs(stage).items() if content != before[path]]:
                # DVC would note the new input beside the outputs of the old one, and call them up to date.
                raise StageFailed(f"Changed while it ran: {', '.join(changed)}. Its result is not kept; run it again.")
            self._record(stage, show)
        return Status.RAN

    def _run_commands(self, stage: DvcStage, show: Show, stop: Stop, *, extra: Mapping[str, str]) -> None:
        """The commands with the folder, environment and shell that `dvc repro` would give them."""
        last: deque[str] = deque(maxlen=TAIL_LINES)

        def keep(line: str) -> None:
            last.append(line)
            show(line)

        settings = prepare_kwargs(stage, run_env={**for_stages(), **extra})
        timeout_s = self.wishes[stage.addressing].timeout_s
        for command in _enforce_cmd_list(stage.cmd):
            if stop.requested:
                raise _Stopped
            show(f"> {command}")
            ended = run_command(
                _make_cmd(get_executable(), command),
                keep,
                folder=Path(settings["cwd"]),
                environment=settings["env"],
                stop=stop,
                lifeline=self._lifeline,
                timeout_s=timeout_s,
            )
            if stop.requested and ended.code:
                raise _Stopped
            if ended.code or ended.timed_out:
                raise failure_of(command, ended, last, timeout_s=timeout_s)

    def _restore(self, stage: DvcStage, show: Show) -> bool:
        with suppress(RunCacheNotFoundError):
            _LookingCache(self._repo, show).restore(stage)
            return True
        return False

    def _record(self, stage: DvcStage, show: Show) -> None:
        # As Stage.run does: an output that DVC does not cache cannot be restored, so a run with one is not remembered.
        uncached = any(not out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
        stage.save(run_cache=not uncached)
        drop_damaged(stage.outs, show)  # DVC would put it over what was just made
        stage.commit()
        self._note(stage)

    def _note(self, stage: DvcStage) -> None:
        """The stage's entry in dvc.lock; by DVC's own way, which is slow, where the file is not as DVC writes it."""
        path = Path(stage.path).with_suffix(".lock")
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = put_entry(before, stage.name, dumps_yaml({"stages": to_lockfile(stage)}))
        if after is None:
            stage.dump(update_pipeline=False)
        elif after != before:
            replace_text(path, after)
            self._repo.scm_context.track_file(os.path.relpath(path))

    @contextmanager
    def _bookkeeping(self, stop: Stop) -> Iterator[None]:
        """One thread of ours and no other DVC at a time. Raises _Stopped when a stop comes while it waits."""
        with self._mutex:
            while True:
                try:
                    self._repo.lock.lock()
                    break
                except LockError:  # DVC gives up after three seconds; we do not
                    if stop.requested:
                        raise _Stopped from None
            try:
                with self._repo.scm_context(quiet=True):
                    yield
            finally:
                self._repo.lock.unlock()

    @contextmanager
    def _files_of(self, name: str, show: Show, *, stop: Stop) -> Iterator[None]:
        """Hold DVC's lock on what a stage reads and writes; wait while another DVC has it."""
        locks, told = ExitStack(), False
        while True:
            try:
                with self._bookkeeping(stop):
                    locks.enter_context(self._lock_on(self._stages[name]))
                    self._held[name] = locks
                    break
            except LockError as error:
                if not told:
                    show(f"Waiting: {told_by(error).splitlines()[0]}")
                    told = True
                if stop.wait(0.5):
                    raise _Stopped from None
        try:
            yield
        finally:
            # Stopped while another DVC is at work: the entry stays, and DVC drops it once its process is gone.
            with suppress(_Stopped):
                self._release(name, stop)

    def _release(self, name: str, stop: Stop) -> None:
        with self._bookkeeping(stop):
            self._held.pop(name).close()
            # DVC keeps one entry for a process and a file, not one for each stage: if a neighbour reads the same file,
            # its entry is gone now too. No other DVC can come between, for the repository is ours at this moment.
            gone = set(_reads(self._stages[name]))
            for neighbour, locks in self._held.items():
                if shared := gone.intersection(_reads(self._stages[neighbour])):
                    locks.enter_context(self._lock_on(self._stages[neighbour]))
                    gone -= shared

    def _lock_on(self, stage: DvcStage) -> Any:
        reads, writes = _reads(stage), [item.fs_path for item in stage.outs]
        hardlink = self._repo.config["core"].get("hardlink_lock", False)
        # The same words as in DVC's own locks, which nest in this one and must know it for theirs.
        return rwlock(self._repo.tmp_dir, self._repo.fs, " ".join(sys.argv), reads, writes, hardlink)


class _LookingCache(StageCache):  # type: ignore[misc]  # DVC has no types
    """Looks at what it is about to restore, and at what it fetched for that."""

    def __init__(self, repo: Any, show: Show) -> None:
        super().__init__(repo)
        self._show = show

    def _create_stage(self, cache: Any, wdir: Any = None) -> DvcStage:
        stage = super()._create_stage(cache, wdir)
        drop_damaged(stage.outs, self._show)
        if PULL in os.environ:
            self._fetch(stage)
            for path in drop_damaged(stage.outs, self._show):
                far = Path(*path.parts[-4:])  # files/md5/..
                self._show(f"DVC's remote has it so too: `dvc push` leaves it there until {far} in it is deleted.")
        return stage

    def _fetch(self, stage: DvcStage) -> None:
        """As StageCache.restore does, which would check out at once what came."""
        try:
            for objects in stage.get_used_objs().values():
                self.repo.cloud.pull(objects)
        except CollectCacheError as error:
            raise RunCacheNotFoundError(stage) from error


class _Stopped(Exception):
    """A stop was asked for; the stage is left as it is."""


def _changed(stage: DvcStage) -> bool:
    try:
        return bool(stage.changed())
    except (DvcException, OSError):
        return True  # missing or busy: running it will say what is the matter


def _reads(stage: DvcStage) -> list[str]:
    far = (RepoDependency, AbstractDependency)  # nobody here can write those
    return [item.fs_path for item in stage.deps if not isinstance(item, far)]


def _inputs(stage: DvcStage) -> dict[str, Any]:
    return {str(dep): dep.hash_info for dep in stage.deps}
