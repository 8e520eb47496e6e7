"""Asking everything that runs to end, from any thread or a signal handler."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """One request for all that runs under it; it cannot be taken back."""

    def __init__(self) -> None:
        self._event = threading.Event()
        # Reentrant: a signal handler may ask while its own thread is inside `watch`.
        self._lock = threading.RLock()
        self._watchers: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        """Call every watcher; again at each further request, so that a watcher can lose its patience."""
        with self._lock:
            self._event.set()
            for watcher in list(self._watchers):
                watcher()

    def wait(self, seconds: float) -> bool:
        """True as soon as a stop is asked for, False after so many seconds without."""
        return self._event.wait(seconds)

    @contextmanager
    def watch(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Have `watcher` called when a stop is asked for; at once if it has been."""
        with self._lock:
            self._watchers.append(watcher)
            if self.requested:
                watcher()
        try:
            yield
        finally:
            with self._lock:
                self._watchers.remove(watcher)
