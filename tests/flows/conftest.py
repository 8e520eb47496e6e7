"""Small projects of shell commands to run flows on, and one Prefect server for the whole session."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

CLONE = Path(__file__).parents[2]

# A stage that keeps the lifeline's promise, tells its process number, and would go on for ten minutes.
LONG_STAGE = """
import os, pathlib, signal, threading, time
def watch():
    os.read(int(os.environ["MM_LIFELINE_FD"]), 1)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(600)
"""


class Project:
    """A throw-away repository with DVC in it."""

    def __init__(self, root):
        self.root = root
        self._processes = []

    def end(self):
        """Leave nothing running, however the test went."""
        for process in self._processes:
            process.kill()
            process.communicate()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name):
        return (self.root / name).read_text()

    def stages(self, **stages):
        self.write("dvc.yaml", yaml.safe_dump({"stages": stages}, sort_keys=False))

    def status(self):
        """What `dvc status` says; empty when all is up to date."""
        with Repo(str(self.root)) as repo:
            return repo.status()

    def reproduce(self):
        """The stages that `dvc repro` runs."""
        with Repo(str(self.root)) as repo:
            return [stage.addressing for stage in repo.reproduce()]

    def environment(self):
        """Of a process in the project that imports `flows`."""
        return {**os.environ, "PYTHONPATH": str(CLONE)}

    def retrain(self, *arguments, **environment):
        """A process of `python -m flows.retrain` in the project."""
        return self.start("flows.retrain", *arguments, **environment)

    def start(self, module, *arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env={**self.environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard():
    """Who runs the tests in the background of a shell hands down that ctrl-c is ignored, to what they start as well."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def _new_repository(tmp_path_factory):
    """Made once: `dvc init` takes half a second."""
    root = tmp_path_factory.mktemp("new")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    Repo.init(str(root)).close()
    return root


@pytest.fixture
def project(tmp_path, _new_repository, monkeypatch):
    root = tmp_path / "a project"  # with a space: people have them
    subprocess.run(["cp", "-r", str(_new_repository), str(root)], check=True)
    (root / ".dvc" / "tmp" / "btime").unlink(
        missing_ok=True
    )  # by which DVC tells one repository's hashes from another's
    made = Project(root)
    made.write("params.yaml", "training: {monitor: answer/accuracy}\n")
    made.write("in.txt", "one\n")
    monkeypatch.chdir(root)
    yield made
    made.end()


@pytest.fixture(scope="session")
def prefect_server():
    """The address of a Prefect server with a database of its own."""
    from prefect.settings import get_current_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield get_current_settings().api.url


@pytest.fixture
def prefect_database(prefect_server):
    """For a process that starts a server of its own: the tables are there already, which takes ten seconds."""
    from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL

    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": PREFECT_SERVER_DATABASE_CONNECTION_URL.value()}


def eventually(condition, seconds=120):
    """Whether `condition` comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(name="eventually")
def _eventually():
    return eventually


@pytest.fixture
def long_stage():
    """A `dvc.yaml` entry: ten minutes of work that writes its process number to the file `pid`."""
    return {"cmd": "python long.py", "deps": ["long.py", "in.txt"], "outs": ["long.txt"]}


@pytest.fixture
def long_project(project, long_stage):
    project.write("long.py", LONG_STAGE)
    project.stages(long=long_stage, after={"cmd": "cp long.txt after.txt", "deps": ["long.txt"], "outs": ["after.txt"]})
    return project


class Httpd:
    """A server on this machine that answers with `headers` and `code`, and keeps what was posted."""

    def __init__(self):
        self.headers, self.code, self.posted = {}, 200, []
        made = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.send_response(made.code)
                for name, value in made.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def do_GET(self):
                self.do_HEAD()

            def do_POST(self):
                made.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.do_HEAD()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def httpd():
    made = Httpd()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def prefect_postgres(postgres):
    """The address of an empty PostgreSQL database that Prefect can use."""
    return postgres.database(driver="asyncpg")
