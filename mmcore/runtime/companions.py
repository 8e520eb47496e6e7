"""The other processes of a training on several devices: started, watched and ended by the first."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from mmcore.errors import TrainingError
from mmcore.runtime.lifeline import GRACE_S, VARIABLE

SHOWN = 2000
"""How many characters of what a process said last an error shows."""


def is_first() -> bool:
    """Whether this process is the only one, or the one that writes and talks; as torchrun tells it."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def companions(count: int, command: Sequence[str]) -> Iterator[None]:
    """Inside, `count` processes run `command`, this one being the first of them.

    Where torchrun or another launcher has started them already, or `count` is 1, nothing is done. They find each other
    by the variables that torchrun sets. One that fails ends all; they end when this one does, even by kill -9.
    Raises TrainingError with what a process said that failed.
    """
    if count == 1 or "WORLD_SIZE" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mmcore-") as folder:
        before = dict(os.environ)
        os.environ |= {**_meeting(), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), **_numbers(0)}
        reading, writing = os.pipe()
        logs, processes = list[IO[bytes]](), list[subprocess.Popen[bytes]]()
        for rank in range(1, count):
            logs.append(open(os.path.join(folder, str(rank)), "w+b"))  # noqa: SIM115  closed below
            processes.append(
                subprocess.Popen(
                    command,
                    env={**os.environ, **_numbers(rank), VARIABLE: str(reading)},
                    pass_fds=(reading,),
                    stdout=logs[-1],
                    stderr=logs[-1],
                )
            )
        watch = _Watch(processes, logs)
        try:
            watch.start()
            yield
            watch.wait()
        except Exception as error:
            if watch.failed is not None:
                raise watch.told() from error
            raise
        finally:
            os.close(writing)  # the lifeline: whoever is left ends itself
            os.close(reading)
            watch.end()
            os.environ.clear()
            os.environ |= before


class _Watch(threading.Thread):
    """Looks after the other processes while the first works."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], logs: list[IO[bytes]]) -> None:
        super().__init__(name="companions", daemon=True)
        self.failed: int | None = None
        self._processes, self._logs = processes, logs
        self._over = threading.Event()

    def run(self) -> None:
        """Until all have ended well or one has not; then this process cannot go on either."""
        while not self._over.wait(0.2):
            codes = [process.poll() for process in self._processes]
            self.failed = next((n for n, code in enumerate(codes) if code), None)
            if self.failed is not None:
                break
        if self.failed is not None and not self._over.wait(GRACE_S):
            # It waits for the one that is gone, where no exception reaches it.
            print(self.told(), file=sys.stderr, flush=True)
            os._exit(1)

    def wait(self) -> None:
        """Raise TrainingError where a process did not end well."""
        for number, process in enumerate(self._processes):
            if process.wait():
                self.failed = number
                raise self.told()

    def told(self) -> TrainingError:
        """What the process that failed said last."""
        assert self.failed is not None, "asked only where one has failed"
        log = self._logs[self.failed]
        log.seek(0)
        said = log.read().decode(errors="replace").strip()[-SHOWN:]
        code = self._processes[self.failed].returncode
        return TrainingError(
            f"process {self.failed + 2} of {len(self._processes) + 1} ended with code {code}:\n{said}\n"
            "Mend what it says, then start again: the training goes on from its last checkpoint."
        )

    def end(self) -> None:
        """Nobody is left when this returns."""
        self._over.set()
        until = time.monotonic() + GRACE_S
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        for process, log in zip(self._processes, self._logs, strict=True):
            process.kill()
            process.wait()
            log.close()


def _meeting() -> dict[str, str]:
    """Where the processes meet; TORCHELASTIC_RUN_ID says that each has been started already."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "mmcore",
            "TORCH_CPP_LOG_LEVEL": "ERROR"}  # fmt: skip


def _numbers(rank: int) -> dict[str, str]:
    return {"RANK": str(rank), "LOCAL_RANK": str(rank)}
