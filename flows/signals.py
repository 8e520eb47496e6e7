"""Ctrl-C and SIGTERM: noted while stages run, and answered once these have ended."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ASKED_TO_END = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def noted(note: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `note` for each signal that asks us to end, and send the first of them on when the block is done.

    `note` runs between any two instructions of the main thread, so it may do little. Outside the main thread signals
    cannot be had, and go where they went before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[signal.Signals] = []

    def handle(number: int, _: FrameType | None) -> None:
        caught.append(signal.Signals(number))
        note(caught[-1])

    before = {number: signal.signal(number, handle) for number in ASKED_TO_END}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # To whoever was listening before: Python's KeyboardInterrupt, Prefect's account of a cancelled run, our exit code.
    if caught:
        signal.raise_signal(caught[0])


def exit_on_sigterm() -> None:
    """Have SIGTERM unwind the stack, as Ctrl-C does, and end with the exit code that shells give it."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
