"""Worker processes: started once, given one trial after another, replaced when they break."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcore.errors import SetupError
from mmcore.search.slots import Slot

GRACE_S = 10.0
"""Between SIGTERM and SIGKILL: time for a training to write its checkpoint."""
TAIL_LINES = 3


class WorkerDied(Exception):
    """The process is gone in the middle of a trial; the message says how."""


@dataclass(frozen=True)
class Answer:
    """What came of an order: one of these."""

    done: Mapping[str, Any] | None = None
    pruned: bool = False
    failed: str | None = None
    broken: bool = False
    """The worker has to be replaced."""
    denied: bool = False
    """It failed because the disk is full or may only be read: no fault of what was ordered."""
    unbuilt: bool = False
    """It failed before anything was trained: its settings do not go together."""


class Worker:
    """One process. Not for several threads at once."""

    def __init__(self, slot: Slot, *, root: Path, log: Path) -> None:
        self.slot, self._log = slot, log
        log.parent.mkdir(parents=True, exist_ok=True)
        # A pipe that tells it when we are gone, even by kill -9: see mmcore/runtime/lifeline.py.
        self._lifeline, self._kept = os.pipe()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mmcore.search.trial"],
                cwd=root, env={**os.environ, **slot.environment, "MM_LIFELINE_FD": str(self._lifeline)},
                pass_fds=(self._lifeline,), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                start_new_session=True, text=True, encoding="utf-8",
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def order(
        self, order: Mapping[str, Any], report: Callable[[int, float], bool] = lambda step, value: False
    ) -> Answer:
        """Have it done. report: told of each value on the way; whether to stop there. Raises WorkerDied."""
        self._say(order)
        while True:
            line = self._hear()
            if "report" in line:
                step, value = line["report"]
                self._say({"stop": report(step, value)})
            elif "died" in line:
                raise WorkerDied(line["died"])
            elif "ready" not in line:
                return Answer(
                    line.get("done"), line.get("pruned", False), line.get("failed"), line.get("broken", False),
                    line.get("denied", False), line.get("unbuilt", False),
                )  # fmt: skip

    def ask_to_end(self) -> None:
        """SIGTERM: a training writes its checkpoint."""
        self._signal(signal.SIGTERM)

    def end(self, *, at_once: bool = False) -> None:
        """Ask it to end, and make sure that it does, with all that it started."""
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._signal(signal.SIGKILL if at_once else signal.SIGTERM)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        for descriptor in (self._lifeline, self._kept):
            with suppress(OSError):
                os.close(descriptor)
        with suppress(OSError):
            self._process.stdout.close()  # type: ignore[union-attr]

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _say(self, what: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None, "it was asked for"
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self._death() from error

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None, "it was asked for"
        try:
            line = self._process.stdout.readline()
        except ValueError:  # closed by `end`, from another thread
            line = ""
        if not line.endswith("\n"):
            raise self._death()
        return dict(json.loads(line))

    def _death(self) -> WorkerDied:
        try:
            code = self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            return WorkerDied("its worker does not answer")
        if code >= 0:
            words = f"its worker ended with exit code {code}"
        else:
            name = signal.Signals(-code).name
            words = f"its worker was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        last = " / ".join(tail(self._log)) if code not in (-signal.SIGKILL, -signal.SIGTERM) else ""
        return WorkerDied(words + (f": {last}" if last else ""))


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log."""
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        return [line.strip() for line in deque(file, lines) if line.strip()]
    return []


class Pool:
    """A worker for each slot, started when it is first wanted. Safe to use from several threads."""

    def __init__(self, slots: Sequence[Slot], opening: Mapping[str, Any], *, root: Path, logs: Path) -> None:
        """opening: the order that comes before all others."""
        self.opening = dict(opening)
        self._root, self._logs, self._places = root, logs, len(slots)
        self._free: queue.LifoQueue[Slot] = queue.LifoQueue()
        for slot in reversed(slots):
            self._free.put(slot)
        self._workers = dict[int, Worker]()
        self._lock, self._closed = threading.Lock(), False

    def __len__(self) -> int:
        return self._places

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """One that is ready; waits until there is one. It is replaced afterwards if it is broken."""
        slot = self._free.get()
        try:
            worker = self._workers.get(slot.number)
            if worker is None or not worker.alive:
                worker = self._start(slot)
            yield worker
        finally:
            self._free.put(slot)

    def replace(self, worker: Worker) -> None:
        """Have another one take its place when it is next wanted."""
        with self._lock:
            if self._workers.get(worker.slot.number) is worker:
                del self._workers[worker.slot.number]
        worker.end(at_once=True)

    def pids(self) -> list[int]:
        """Of those that live."""
        return [worker.pid for worker in list(self._workers.values()) if worker.alive]

    def close(self, *, at_once: bool = False) -> None:
        """End them all."""
        with self._lock:
            self._closed = True
            workers = list(self._workers.values())
            self._workers.clear()
        for worker in workers:  # all at once: each may take its time to write a checkpoint
            worker.ask_to_end()
        for worker in workers:
            worker.end(at_once=at_once)

    def _start(self, slot: Slot) -> Worker:
        with self._lock:
            if self._closed:
                raise WorkerDied("the search was ended")
            former = self._workers.pop(slot.number, None)
            worker = Worker(slot, root=self._root, log=self._logs / f"worker-{slot.number}.log")
            self._workers[slot.number] = worker
        if former is not None:
            former.end(at_once=True)
        try:
            answer = worker.order({**self.opening, "do": "open", "ask": False, "memory": slot.memory})
        except WorkerDied as error:
            if self._closed:
                raise
            raise SetupError(
                f"A worker does not start: {error}. Its log: {self._logs}/worker-{slot.number}.log"
            ) from error
        assert answer.done is not None, f"opening only notes what it is told: {answer.failed}"
        return worker
