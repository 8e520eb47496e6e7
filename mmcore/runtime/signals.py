"""Ctrl-C and SIGTERM: noted where work can be put down in order, an exception elsewhere."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from mmcore.errors import Interrupted

ASKED_TO_STOP = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stop:
    """Whether a signal asked the process to stop."""

    requested: int | None = None
    """The signal's number."""


@contextmanager
def catch_signals() -> Iterator[Stop]:
    """Note the first signal in the Stop that is given; the work inside asks it and ends itself in order.

    The second signal does not wait: it raises Interrupted between any two instructions. In a thread that is not the
    main one, signals cannot be had; they go where they went before.
    """
    stop = Stop()

    def note(number: int, _: FrameType | None) -> None:
        if stop.requested is not None:
            raise_interrupted(number, None)
        stop.requested = number

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, note) for number in ASKED_TO_STOP}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_interrupted(number: int, _: FrameType | None) -> None:
    """A signal handler: unwinds the stack, so that temporary files go."""
    raise Interrupted(f"stopped by {signal.Signals(number).name}.", signal=number)
