"""The real server, the real worker and the real clock; one service for the whole file, since it takes long to start."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property

import httpx
import psutil
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from flows.serve import server_settings
from flows.timetable import Server, Timetable

PATIENCE_S = 400  # for a machine that others use as well
pytestmark = pytest.mark.timeout(900)


class Service:
    """A committed project, and `python -m flows.serve` in it."""

    def __init__(self, project, port, environment):
        self.project = project
        self.root = project.root
        self.address = f"http://127.0.0.1:{port}/api"
        self.closing = ExitStack()
        self.said = project.root.parent / "said"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.serve", "--port", str(port)],
                cwd=project.root,
                env={**project.environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    @cached_property
    def client(self):
        """One for all questions: to make one costs more than to ask."""
        return self.closing.enter_context(SyncPrefectClient(self.address))

    def completed(self):
        """Runs of the nightly deployment, by when they were to start."""
        wanted = self.client.read_deployment_by_name("nightly/nightly").id
        runs = [run for run in self.client.read_flow_runs(limit=200) if run.deployment_id == wanted]
        done = [run for run in runs if run.state_type is StateType.COMPLETED]
        return sorted(done, key=lambda run: run.expected_start_time)

    def states(self, run):
        return [state.name for state in self.client.read_flow_run_states(run.id)]

    def start_by_hand(self, **parameters):
        wanted = self.client.read_deployment_by_name("nightly/nightly").id
        return self.client.create_flow_run_from_deployment(wanted, parameters=parameters).id

    def state(self, identity):
        return self.client.read_flow_run(identity).state

    def processes(self, *words):
        """Of the service, those with all these words in their command."""
        everything = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in everything if all(word in command_of(process) for word in words)]


def command_of(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def git(root, *arguments):
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait(service, what):
    """What `what` gives as soon as it gives something."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            if found := what():
                return found
        except (httpx.HTTPError, ObjectNotFound, PrefectHTTPStatusError, RuntimeError):  # the server is not there yet
            pass
        time.sleep(0.3)
    raise AssertionError(f"It did not come to that. What it said:\n{service.said.read_text()}")


@pytest.fixture
def served(project, prefect_database, tmp_path):
    """Start it with a timetable; the tables of its own database are made already."""
    made = tmp_path / "prefect.db"
    shutil.copy(prefect_database["PREFECT_SERVER_DATABASE_CONNECTION_URL"].partition("///")[2], made)
    project.write(".gitignore", "/.mm\n/out.txt\n/news\n/pid\n")
    services = []

    def start(*, stages=True, database=f"sqlite+aiosqlite:///{made}", **timetable):
        if stages:
            project.stages(copy={"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]})
        project.write("conf/schedule.yaml", yaml.safe_dump(timetable))
        git(project.root, "add", "-A")
        git(project.root, "commit", "-q", "-m", "a commit")
        services.append(
            Service(
                project,
                free_port(),
                {
                    "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
                    "PREFECT_WORKER_QUERY_SECONDS": "1",
                    "PREFECT_HOME": str(tmp_path / "home"),
                    "MM_WATCH_EVERY_S": "1",
                },
            )
        )
        return services[-1]

    start.project = project
    yield start
    for service in services:
        service.closing.close()
        service.process.send_signal(signal.SIGTERM)
        try:
            service.process.wait(timeout=200)
        except subprocess.TimeoutExpired:
            service.process.kill()
        print(service.said.read_text())  # for whoever looks into a failure


def test_it_tells_prefect_where_the_pages_find_it_and_how_long_to_keep_things():
    settings = server_settings(Timetable(server=Server(port=4321)))
    assert settings["PREFECT_SERVER_API_PORT"] == "4321"
    assert settings["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == str(30 * 24 * 3600)


@pytest.mark.slow  # the real server and a cron
def test_a_cron_run_is_scheduled_and_completes_and_ctrl_c_ends_everything(served):
    service = served(
        cron="* * * * * */30", check=None, notify={"about": ["done"], "command": "cat >> news; echo >> news"}
    )
    (run, *_) = wait(service, service.completed)
    assert service.states(run)[0] == "Scheduled"
    assert service.states(run)[-1] == "Completed"
    assert run.auto_scheduled
    (worktree, *_) = (service.root / ".mm" / "worktrees").iterdir()
    assert (worktree / "out.txt").read_text() == "one\n"
    assert not (service.root / "out.txt").exists()  # a person's own folder is left alone
    wait(service, (service.root / "news").exists)
    assert json.loads(service.project.read("news").splitlines()[0])["kind"] == "done"
    everything = psutil.Process(service.process.pid).children(recursive=True)
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(timeout=200) == 130
    assert f"Prefect's pages: {service.address.removesuffix('/api')}" in service.said.read_text()
    assert not any(process.is_running() for process in everything)


@pytest.mark.slow  # the real server, killed along with everything else
def test_what_is_killed_is_started_again_and_leaves_nothing_behind(served, long_project):
    """In the order of a run, from the inside out: the flow, the worker, the server, and at last all of it."""
    service = served(cron=None, check=None, stages=False)

    def begin():
        """Start a run. Gives its id, and its stage once that is at work."""
        run = wait(service, service.start_by_hand)
        return run, wait(service, stage_at_work)

    def stage_at_work():
        for path in service.root.glob(".mm/worktrees/*/pid"):
            with suppress(psutil.Error, ValueError):  # one of an earlier run, or half written
                return psutil.Process(int(path.read_text()))
        return None

    def crashed(run):
        return service.state(run).type is StateType.CRASHED

    run, stage = begin()
    kill(service.processes("prefect.engine"))
    wait(service, lambda: not stage.is_running())
    wait(service, lambda: crashed(run))

    run, stage = begin()
    kill(service.processes("prefect", "worker", "start"))
    wait(service, lambda: not stage.is_running())
    wait(service, lambda: crashed(run))

    run, stage = begin()
    (before,) = service.processes("-m prefect server start")[-1:]
    kill([before])
    wait(service, lambda: [process for process in service.processes("-m prefect server start") if process != before])
    wait(service, lambda: service.state(run).type is StateType.RUNNING)
    assert stage.is_running()  # what runs needs no server to go on

    everything = psutil.Process(service.process.pid).children(recursive=True)
    assert stage in everything
    service.process.kill()
    _, alive = psutil.wait_procs(everything, timeout=200)
    assert not [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow  # a real server with PostgreSQL, and two workers
def test_two_machines_share_what_they_have_made_and_the_work(served, prefect_postgres, tmp_path):
    """Each in a clone of its own; what they have in common are the server and DVC's remote."""
    project = served.project
    project.write(".dvc/config", f"['remote \"shared\"']\n    url = {tmp_path / 'remote'}\n")
    ran = tmp_path / "ran"
    meet = (
        f"[ $(wc -l < '{ran}') = 1 ] || until [ $(wc -l < '{ran}') = 3 ]; do sleep 0.1; done"  # the second, the third
    )
    copy = {"cmd": f"pwd >> '{ran}'; {meet}; cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]}
    project.stages(copy=copy)
    first = served(
        cron=None, check=None, stages=False, remote="shared", server={"runs": 2},
        database=prefect_postgres,
    )  # fmt: skip

    def completed(run):
        return first.state(run).is_completed()

    run = wait(first, first.start_by_hand)
    wait(first, lambda: completed(run))
    assert len(ran.read_text().splitlines()) == 1

    (worker,) = first.processes("prefect worker start", "--pool")[-1:]
    worker.suspend()  # so that the other one gets the next run
    git(tmp_path, "clone", "-q", str(project.root), str(tmp_path / "elsewhere"))
    with second_machine(tmp_path / "elsewhere", first, tmp_path):
        run = first.start_by_hand()
        wait(first, lambda: completed(run))
        assert len(ran.read_text().splitlines()) == 1  # fetched, not made again
        (worktree,) = (tmp_path / "elsewhere" / ".mm" / "worktrees").iterdir()
        assert (worktree / "out.txt").read_text() == "one\n"

        worker.resume()
        runs = [first.start_by_hand(force=True) for _ in range(2)]
        for run in runs:
            wait(first, lambda run=run: completed(run))
        workers = {first.client.read_flow_run(run).labels["prefect.worker.name"] for run in runs}
        assert len(workers) == 2


@contextmanager
def second_machine(clone, first, tmp_path):
    """`make serve` with an address: a worker for somebody else's server."""
    environment = {"PREFECT_API_URL": first.address, "PREFECT_HOME": str(tmp_path / "home2")}
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.serve"], cwd=clone, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env={**first.project.environment(), **environment, "PREFECT_WORKER_QUERY_SECONDS": "1"},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=200) == 143


def kill(processes):
    assert processes, "there was nothing to kill"
    for process in processes:
        process.kill()
