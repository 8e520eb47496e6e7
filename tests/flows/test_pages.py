"""Prefect's own pages in a real browser: what a person on call looks at."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from flows.pipeline import run_pipeline
from flows.serve import answers, server_settings
from flows.timetable import Server, Timetable

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    """Its program; fetched where that can be done, as in a container."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "chromium"]
        subprocess.run(["apt-get", "update", "--quiet"], capture_output=True, check=False)
        subprocess.run(install, capture_output=True, check=False, timeout=600)
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no Chromium, and nobody here may install it: apt-get install chromium")
    return found


def page(browser, address, folder):
    """What stands on it once its scripts have run."""
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--timeout=30000",
            "--virtual-time-budget=30000", "--dump-dom", address,
        ],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def pages(prefect_database, tmp_path, eventually):
    """Start a server with pages, on what is known by now to the one of the tests, which has none."""
    servers = []

    def start():
        known = prefect_database["PREFECT_SERVER_DATABASE_CONNECTION_URL"].partition("///")[2]
        with closing(sqlite3.connect(known)) as source, closing(sqlite3.connect(tmp_path / "copy.db")) as target:
            source.backup(target)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        told = Server(port=port, database=f"sqlite+aiosqlite:///{tmp_path / 'copy.db'}")
        settings = server_settings(Timetable(server=told))
        command = [sys.executable, "-m", "prefect", "server", "start"]
        environment = {**os.environ, **settings, "PREFECT_HOME": str(tmp_path / "home")}
        servers.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        assert eventually(lambda: answers(f"http://127.0.0.1:{port}/api/health"), 300)
        return f"http://127.0.0.1:{port}"

    yield start
    for server in servers:
        server.terminate()
        server.wait(timeout=200)


@pytest.mark.slow  # a browser, and a server for it
@pytest.mark.timeout(900)
def test_a_browser_shows_the_run_and_the_table_of_outcomes(project, pages, browser, tmp_path):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    project.stages(weave={"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]})
    run_pipeline(jobs=1, force=False)
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["outcomes"]))
        table = max(client.read_artifacts(artifact_filter=wanted), key=lambda artifact: artifact.created)
    address = pages()
    shown = page(browser, f"{address}/artifacts/artifact/{table.id}", tmp_path / "browser")
    assert "weave" in shown
    assert "1 ran" in shown
    shown = page(browser, f"{address}/runs/flow-run/{table.flow_run_id}", tmp_path / "browser")
    assert "Completed" in shown
    assert "1 Task run" in shown
