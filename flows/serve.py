"""`python -m flows.serve`, which is `make serve`: Prefect's server, the schedule and a worker, until ctrl-c.

Where PREFECT_API_URL names a server that runs elsewhere, a worker for that one alone. Whatever of this ends by itself
is started again; in whatever way this ends, all of it does.
"""

import argparse
import http.client
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import IO

from rich.console import Console
from rich.text import Text

from flows.command import run_command
from flows.environment import CLONE, SERVED, for_stages, python_module
from flows.exits import DONE, run_to_exit
from flows.lifeline import Lifeline
from flows.options import port
from flows.project import check_project
from flows.record import STATE, one_at_a_time
from flows.signals import noted
from flows.stop import Stop
from flows.supervise import Program
from flows.timetable import Timetable, read_timetable
from mmcore.errors import SetupError

STARTS_S = 180.0  # the first time its tables are made, perhaps on a busy machine
LOGS = STATE / "logs"
LOG_BYTES = 10_000_000  # a log that has grown beyond it is begun anew, the old one kept beside it
API = "PREFECT_API_URL"


def serve(root: Path, *, host: str | None, port: int | None) -> int:
    """Returns when a signal has come and all has ended, by raising what the signal stands for."""
    check_project(root)
    timetable = read_timetable(root)
    server = replace(timetable.server, host=host or timetable.server.host, port=port or timetable.server.port)
    timetable = replace(timetable, server=server)
    with one_at_a_time(root, name="serve"), closing(_Service(root, timetable)) as service, noted(service.end):
        service.start()
        while not service.stop.wait(0.5):
            pass
    return DONE


class _Service:
    """The programs, in the order in which they start; they end the other way round: a worker has things to tell."""

    def __init__(self, root: Path, timetable: Timetable) -> None:
        self.stop = Stop()
        self._root = root
        self._timetable = timetable
        self._console = Console(highlight=False)
        self._lifeline = Lifeline()
        self._programs: list[Program] = []
        self._open = ExitStack()

    def end(self, _: object) -> None:
        """From a signal handler: be quick."""
        if self.stop.requested:
            for program in self._programs:
                program.ask_to_stop()
        self.stop.request()

    def close(self) -> None:
        if self._programs:
            self._console.print("Ending what runs; once more to kill it.")
        for program in reversed(self._programs):
            program.stop()
        self._lifeline.close()
        self._open.close()

    def start(self) -> None:
        """Raises SetupError where the server does not come up or does not take the schedule."""
        elsewhere = os.environ.get(API)
        address = elsewhere or self._start_server()
        if self.stop.requested:
            return
        if not elsewhere:
            self._tell_schedule(address)
            if self.stop.requested:
                return
            self._program("watch", python_module("flows.watch"), {API: address})
        self._program("worker", python_module("flows.worker"), {API: address})
        self._console.print(f"Prefect's pages: [bold]{address.removesuffix('/api')}[/]   (ctrl-c ends all of it)")

    def _start_server(self) -> str:
        """Returns the address of its API, once that answers."""
        host, port = self._timetable.server.host, self._timetable.server.port
        _check_free(host, port)
        self._console.print("Starting Prefect's server.")
        command = [*python_module("prefect"), "server", "start"]
        program = self._program("server", command, server_settings(self._timetable), quiet=True)
        address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/api"
        deadline = monotonic() + STARTS_S
        while not answers(f"{address}/health") and not self.stop.wait(0.3):
            if program.ended.is_set() or monotonic() > deadline:
                log = self._root / LOGS / "server.log"
                told = "\n".join(log.read_text(encoding="utf-8").splitlines()[-12:])
                raise SetupError(f"Prefect's server did not come up on {host}:{port}. The last lines of {log}:\n{told}")
        return address

    def _tell_schedule(self, address: str) -> None:
        ended = run_command(
            python_module("flows.schedule"), self._shower("schedule"), folder=self._root,
            environment=self._environment({API: address}), stop=self.stop, lifeline=self._lifeline,
        )  # fmt: skip
        if ended.code and not self.stop.requested:
            raise SetupError("The server did not take the schedule; what is wrong stands above.")

    def _program(self, name: str, command: list[str], settings: Mapping[str, str], *, quiet: bool = False) -> Program:
        program = Program(
            name, command, folder=self._root, environment=self._environment(settings),
            show=self._shower(name, quiet=quiet), lifeline=self._lifeline,
        )  # fmt: skip
        self._programs.append(program)
        program.start()
        return program

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        # Prefect's flow runs start in a folder of their own, and still have to find the code and this clone.
        return {**os.environ, **for_stages(), "PYTHONPATH": str(CLONE), SERVED: str(self._root), **settings}

    def _shower(self, name: str, *, quiet: bool = False) -> Callable[[str], None]:
        log, label = self._open.enter_context(_log(self._root, name)), (f"{name} | ", "dim")

        def show(line: str) -> None:
            print(line, file=log, flush=True)
            if not quiet:
                self._console.print(Text.assemble(label, Text.from_ansi(line)), soft_wrap=True)

        return show


def server_settings(timetable: Timetable) -> dict[str, str]:
    """What Prefect's server is told by its environment."""
    wanted = timetable.server
    kept_s = int(timetable.keep.days * 24 * 3600)
    return {
        "PREFECT_SERVER_API_HOST": wanted.host,
        # Not `--port` alone, which the pages do not hear of; they call the server that they come from.
        "PREFECT_SERVER_API_PORT": str(wanted.port),
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_UI_ENABLED": "true",
        # Old runs, with their logs and artifacts, go by themselves.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(kept_s),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"PT{kept_s}S",
        **({"PREFECT_SERVER_DATABASE_CONNECTION_URL": wanted.database} if wanted.database else {}),
    }


def _check_free(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise SetupError(
            f"Prefect's server cannot have {host}:{port} ({error.strerror}). Another one may have it; `--port` or "
            "server.port in conf/schedule.yaml takes another."
        ) from error


def answers(url: str) -> bool:
    """Whether something is there that says all is well."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False


def _log(root: Path, name: str) -> IO[str]:
    path = root / LOGS / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("a", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser("python -m flows.serve", description=__doc__)
    parser.add_argument("--host", help="the address to listen at; 0.0.0.0: all (default: conf/schedule.yaml's)")
    parser.add_argument(
        "--port", type=port, metavar="N", help="of Prefect's server and its pages (default: conf/schedule.yaml's)"
    )
    given = parser.parse_args()
    return run_to_exit(lambda: serve(Path.cwd(), host=given.host, port=given.port))


if __name__ == "__main__":
    sys.exit(main())
