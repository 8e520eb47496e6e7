"""Keep a program running: started again when it ends by itself, after a pause that grows while it keeps failing."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from flows.command import Ended, run_command
from flows.environment import python_module
from flows.lifeline import Lifeline
from flows.stop import Stop

SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
STEADY_S = 120.0  # after so long a life the next pause is the shortest again


class Program:
    """One program, in a thread of ours, until it is asked to stop."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        show: Callable[[str], None],
        lifeline: Lifeline,
    ) -> None:
        """show: gets each line of its output, and what becomes of it."""
        self.name = name
        self.ended = threading.Event()
        """Set when it has ended by itself at least once."""
        self._command = [*python_module("flows.leash"), *command]
        self._folder = folder
        self._environment = environment
        self._show = show
        self._lifeline = lifeline
        self._stop = Stop()
        self._thread = threading.Thread(target=self._keep_running, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end, and wait until it has; what does not listen is killed after a grace."""
        self.ask_to_stop()
        self._thread.join()

    def ask_to_stop(self) -> None:
        self._stop.request()

    def _keep_running(self) -> None:
        pause_s = SHORTEST_PAUSE_S
        while not self._stop.requested:
            began = time.monotonic()
            ended = self._run()
            if self._stop.requested:
                return
            self.ended.set()
            pause_s = SHORTEST_PAUSE_S if time.monotonic() - began > STEADY_S else min(LONGEST_PAUSE_S, 2 * pause_s)
            with suppress(OSError):  # a log on a full disk
                self._show(f"ended with exit code {ended.code}; started again in {pause_s:g} s")
            self._stop.wait(pause_s)

    def _run(self) -> Ended:
        return run_command(
            self._command,
            self._show,
            folder=self._folder,
            environment=self._environment,
            stop=self._stop,
            lifeline=self._lifeline,
        )
