"""A worker: has everything loaded, and runs one trial after another as it is told on stdin.

A line of JSON each way. In: {"do": "open" | "trial" | "judge" | "compare", ..}, and {"stop": bool} to answer a report.
Out: {"report": [step, value]}, then one of {"done": ..}, {"pruned": true},
{"failed": reason, "broken": bool, "denied": bool, "unbuilt": bool}.
What is printed goes to stderr, which is the worker's log.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import torch

from mmcore.config.check import faults_of
from mmcore.errors import Interrupted, MmcoreError, denied, is_out_of_room
from mmcore.evaluation.spread import difference
from mmcore.registry.plugins import installed
from mmcore.runtime import fabric  # noqa: F401  # takes seconds to import, and every trial wants it
from mmcore.runtime.lifeline import watch_lifeline
from mmcore.runtime.memory import is_out_of_memory
from mmcore.search.trial.prepared import Shared
from mmcore.search.trial.training import Job, Pruned, Unbuilt, judge, tidy

BROKEN = ("CUDA", "cuDNN", "CUBLAS", "NCCL", "device-side assert")
"""In an error's text: the device's state cannot be trusted any more."""


class Channel:
    """Lines to and from the one who gives the orders."""

    def __init__(self) -> None:
        self._in: TextIO = os.fdopen(os.dup(0), "r", encoding="utf-8")
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        # What anyone prints, or a child reads, must not get between the lines.
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def orders(self) -> Iterator[dict[str, Any]]:
        """Until the other side is gone."""
        while line := self._in.readline():
            order = json.loads(line)
            if "do" in order:  # else the answer to a report of a child that was killed meanwhile
                yield order

    def tell(self, **what: Any) -> None:
        """One line."""
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()

    def report(self, step: int, value: float) -> bool:
        """Whether to stop here."""
        self.tell(report=[step, value])
        line = self._in.readline()
        if not line:
            raise SystemExit(0)
        return bool(json.loads(line)["stop"])


class Worker:
    """What one worker knows."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._job: Job | None = None
        self._shared: Shared | None = None
        self._isolate = False
        self._memory: float | None = None

    def obey(self, order: dict[str, Any]) -> bool:
        """Carry out an order and tell what came of it; False where this process cannot be used any more."""
        if order["do"] == "open":
            self._open(order)
        if self._isolate:
            return self._in_a_child(order)
        return self._here(order)

    def _open(self, order: dict[str, Any]) -> None:
        self._memory = order["memory"]
        root = Path(order["root"])
        self._shared = Shared(root, order["folder"], order["base"], installed())
        names = ("objectives", "folds", "stratify", "seed", "monitor")
        self._job = Job(**{name: order[name] for name in names} | {"objectives": tuple(order["objectives"])})
        self._isolate = order["isolate"]

    def _in_a_child(self, order: dict[str, Any]) -> bool:
        """Forked: nothing that a trial does to its process outlives it."""
        child = os.fork()
        if child == 0:
            watch_lifeline()  # threads stay behind
            good = self._here(order)
            os._exit(0 if good else 3)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in (0, 3):
            self._channel.tell(died=words_of(code))
        return True

    def _here(self, order: dict[str, Any]) -> bool:
        good, refused = True, False
        try:
            self._channel.tell(done=self._work(order))
        except Pruned:
            self._channel.tell(pruned=True)
        except Interrupted:
            raise
        except MmcoreError as error:
            refused = is_out_of_room(error)
            self._channel.tell(failed=str(error), broken=False, denied=refused, unbuilt=isinstance(error, Unbuilt))
        except (Exception, MemoryError) as error:
            with suppress(OSError):  # the log lies on the same disk, which may be full
                traceback.print_exc()
            good, refused = not is_broken(error), is_out_of_room(error)
            self._channel.tell(failed=reason_of(error), broken=not good, denied=refused)
        if "folder" in order and order["do"] != "open" and not refused:  # else it goes on from its checkpoint
            assert self._shared is not None, "open comes first"
            tidy(self._shared.root, order["folder"])
        return good

    def _work(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._shared is not None, "open comes first"
        assert self._job is not None, "open comes first"
        if self._memory is not None and torch.cuda.is_available():  # not earlier: CUDA does not survive a fork
            torch.cuda.set_per_process_memory_fraction(self._memory)
        if order["do"] == "open":
            if not order["ask"]:
                return {}
            monitor, *better = self._job.better(order["base"], self._shared)
            return {"monitor": monitor, "better": better, "faults": _faults(order["ends"])}
        if order["do"] == "compare":
            return {"interval": difference(order["winner"], order["default"], confidence=order["confidence"])}
        if order["do"] == "judge":
            return judge(order["values"], order["seed"], order["folder"], self._shared)
        return self._job.run(order["values"], order["folder"], self._shared, self._channel.report)


def _faults(ends: list[dict[str, Any]]) -> list[str]:
    """What is wrong at the ends of the space, each fault once.

    Settings that do not go together are right each by itself: it is the trials that have both which fail.
    """
    found = dict[str, None]()
    for values in ends:
        found |= dict.fromkeys(faults_of(values, installed(), together=False))
    return list(found)


def is_broken(error: BaseException) -> bool:
    """Whether the process had better be replaced."""
    return is_out_of_memory(error) or any(word in str(error) for word in BROKEN)


def reason_of(error: BaseException) -> str:
    """In one line."""
    if is_out_of_room(error) and isinstance(error, OSError) and (told := denied(error)) is not None:
        return told
    first = (str(error).strip().splitlines() or [""])[0]
    return f"out of memory: {first}" if is_out_of_memory(error) else f"{type(error).__name__}: {first}"


def words_of(code: int) -> str:
    """Of an exit code."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"its process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def main() -> int:
    """Until stdin is closed."""
    channel = Channel()
    watch_lifeline()
    worker = Worker(channel)
    channel.tell(ready=os.getpid())
    try:
        for order in channel.orders():
            if not worker.obey(order):
                return 3
    except Interrupted as error:
        return 128 + error.signal
    return 0


if __name__ == "__main__":
    sys.exit(main())
