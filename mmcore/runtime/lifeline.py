"""The child's half of the lifeline: ends this process when the one that started it is gone, even by kill -9."""

# The parent keeps the writing end of a pipe and never writes; we inherit the reading end, whose number stands in
# MM_LIFELINE_FD. A read returns nothing at the moment the parent ends. (The kernel's parent-death signal will not do:
# it fires when the thread that forked ends, and stages are started from threads.)

import os
import signal
import stat
import threading
import time

VARIABLE = "MM_LIFELINE_FD"
GRACE_S = 10.0
"""Time to write a checkpoint, between SIGTERM and SIGKILL."""


def watch_lifeline(*, grace_s: float = GRACE_S) -> threading.Thread | None:
    """Start watching; None where this process was given no pipe."""
    descriptor = _descriptor()
    if descriptor is None:
        return None
    thread = threading.Thread(target=_watch, args=(descriptor, grace_s), name="lifeline", daemon=True)
    thread.start()
    return thread


def _descriptor() -> int | None:
    """The pipe's number. The variable may have come through a process that did not hand on the pipe itself."""
    try:
        descriptor = int(os.environ.get(VARIABLE, ""))
        return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    except (ValueError, OSError):
        return None


def _watch(descriptor: int, grace_s: float) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os.kill(os.getpid(), signal.SIGKILL)
