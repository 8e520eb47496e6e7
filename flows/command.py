"""One command of a stage: its lines as they come, and its whole process group ended on a stop or a timeout."""

import contextvars
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from flows.lifeline import Lifeline
from flows.stop import Stop

GRACE_S = 10.0  # between SIGTERM and SIGKILL: time for a training to write its checkpoint
TAIL_S = 5.0  # for the last lines after the command ended; a process it left behind may hold the pipe for ever


@dataclass(frozen=True)
class Ended:
    """How a command ended; `code` is negative where a signal ended it."""

    code: int
    timed_out: bool


def run_command(
    command: str | Sequence[str],
    show: Callable[[str], None],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stop: Stop,
    lifeline: Lifeline,
    timeout_s: float | None = None,
) -> Ended:
    """Run a command to its end, however that comes.

    show: gets each line of its output and errors, from another thread.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, **lifeline.environment},
        pass_fds=(lifeline.descriptor,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A group of its own: Ctrl-C in the terminal reaches us alone, and what the command started ends with it.
        start_new_session=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None, "stdout was asked for"
    # In the caller's context: whoever is shown the lines may look for its settings there, as Prefect does.
    pump = partial(contextvars.copy_context().run, _pump, process.stdout, show)
    reader = threading.Thread(target=pump, daemon=True)
    reader.start()
    group = _Group(process.pid)
    with ExitStack() as stack:
        stack.callback(group.forget)
        stack.enter_context(stop.watch(group.end))
        if timeout_s is not None:
            stack.enter_context(_alarm(timeout_s, group.time_out))
        code = process.wait()
        # The command may be a shell that SIGTERM ended at once while what it started still saves its work: the pipe
        # stays open until the last of them is gone, by itself or by the SIGKILL that follows.
        reader.join(GRACE_S + TAIL_S if group.ending else TAIL_S)
    return Ended(code, group.timed_out)


class _Group:
    """A process group that is asked to end once, and made to on the second time of asking or after the grace."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._killer: threading.Timer | None = None
        self.timed_out = False

    @property
    def ending(self) -> bool:
        return self._killer is not None

    def end(self) -> None:
        if self.ending:
            self._send(signal.SIGKILL)
            return
        self._killer = threading.Timer(GRACE_S, self._send, args=(signal.SIGKILL,))
        self._killer.daemon = True
        self._killer.start()
        self._send(signal.SIGTERM)

    def time_out(self) -> None:
        self.timed_out = True
        self.end()

    def forget(self) -> None:
        """No more signals: once the group is gone its number may become somebody else's."""
        if self._killer is not None:
            self._killer.cancel()

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            os.killpg(self._number, number)


@contextmanager
def _alarm(seconds: float, ring: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _pump(stream: IO[str], show: Callable[[str], None]) -> None:
    with stream:
        for line in stream:  # universal newlines: each state of a progress bar is a line too
            # A log on a full disk, a terminal that is gone: the command would end by the pipe that nobody reads.
            with suppress(Exception):
                show(line.rstrip("\n"))
