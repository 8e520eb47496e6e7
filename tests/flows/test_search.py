"""Trials as Prefect task runs, here and on a Dask cluster of two processes with PostgreSQL."""

import json
import subprocess
import sys
import time

import pytest
from distributed import Client
from prefect.client.orchestration import get_client

import flows.search
from flows.order import needed
from flows.search import run_trials, take
from flows.trials import runner_of
from mmcore.errors import ConfigError
from mmcore.search.driver import Ended
from mmcore.search.rows import State
from mmcore.search.session import BETTER, result_of, study_of
from tests.search.conftest import _prepared, project
from tests.search.project import SPACE

__all__ = ["_prepared", "project"]

pytestmark = [
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.slow,  # every worker is a process that imports torch
    pytest.mark.timeout(600),
]


def task_runs():
    with get_client(sync_client=True) as client:
        return {run.name: run.state for run in client.read_task_runs(limit=200)}


def test_each_trial_is_a_task_run_that_shows_its_score(project):
    plan = project.plan(name="tasks", trials=3, workers=2, confirm=1, pruner="none")
    ended, result = run_trials(plan)
    assert ended.why == "all trials are done"
    done = {row.number: row for row in result.rows}
    assert [done[number].state for number in range(3)] == [State.COMPLETE] * 3
    shown = task_runs()
    assert {shown[f"trial-{number}"].name for number in range(3)} == {f"{done[n].values[0]:.5g}" for n in range(3)}
    assert "default, seed 0" in shown
    assert result.comparison is not None
    assert take(plan, result, jobs=1) == 0  # with one seed nothing is shown to be better, so nothing is run


def test_a_search_without_a_winner_is_no_success_and_leaves_the_model(project, monkeypatch, capfd):
    words = [f"space={json.dumps(SPACE)}", "name=none", "trials=2"]
    plan = project.plan(name="none", trials=2)

    def all_fail(_):
        (plan.root / plan.folder).mkdir(parents=True)
        (plan.root / plan.folder / BETTER).write_text('["up"]')
        study = study_of(plan, ["up"], say=print)
        for _ in range(2):
            study.fail(study.ask().identity, "the loss is nan", {})
        return Ended("all trials are done"), result_of(plan, study, why="all trials are done")

    for name in ("check_project", "check_writable", "ensure_api"):
        monkeypatch.setattr(flows.search, name, lambda *_: None)
    monkeypatch.setattr(flows.search, "run_pipeline", lambda **_: [])
    monkeypatch.setattr(flows.search, "run_trials", all_fail)
    monkeypatch.setenv("PYTHONPATH", project.environment()["PYTHONPATH"])
    assert flows.search.run_search(words, jobs=1, as_json=False, apply=True) == 2
    told = capfd.readouterr().err
    assert "No trial came to a score. Why they failed:\n  2 x the loss is nan" in told
    assert "The model stays" not in told


@pytest.fixture
def cluster(project):
    """A scheduler and two workers, as the README's commands start them."""
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    file = project.root / "scheduler.json"
    processes = [project.start(*start, "--no-dashboard", "--scheduler-file", str(file))]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1"]
    processes.append(project.start(*worker, "--nworkers", "2", "--no-dashboard", "--death-timeout", "120"))
    deadline = time.monotonic() + 120
    while not file.exists() or not file.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    address = json.loads(file.read_text())["address"]
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    yield address
    for process in processes[::-1]:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.mark.filterwarnings("ignore")  # those of distributed and tornado, which are none of ours
def test_the_same_flow_runs_on_a_dask_cluster_with_postgresql(project, cluster, postgres):
    address = postgres.database()
    plan = project.plan(name="cluster", trials=4, confirm=1, pruner="none", dask=cluster, storage=address)
    ended, result = run_trials(plan)
    assert ended.why == "all trials are done"
    assert [row.state for row in result.rows] == [State.COMPLETE] * 4
    assert {f"trial-{number}" for number in range(4)} <= set(task_runs())
    logs = [path.name for path in (project.root / plan.folder / "logs").iterdir() if path.is_dir()]
    assert len(logs) == 2, "each of the two processes has had trials"
    # The same points, on this machine alone, have the same scores.
    here = project.plan(name="here", trials=4, confirm=0, pruner="none", workers=1)
    _, alone = run_trials(here)
    scores = {json.dumps(row.named): row.values for row in alone.rows}
    assert all(scores.get(json.dumps(row.named), row.values) == row.values for row in result.rows)


def test_a_cluster_wants_a_database(project):
    with pytest.raises(ConfigError, match=r"cannot share a file. Say storage=postgresql://"):
        runner_of(project.plan(dask="tcp://127.0.0.1:1"))


def test_what_the_prepared_data_needs_comes_before_it():
    needs = {"ingest": [], "fit": ["ingest"], "encode": ["fit"], "join": ["encode"], "train": ["join"]}
    assert needed(needs, "join") == ["ingest", "fit", "encode", "join"]


def test_the_name_of_an_experiment_of_ones_own_is_refused_before_the_data_is_prepared(project, monkeypatch):
    for check in ("check_project", "check_writable"):
        monkeypatch.setattr(flows.search, check, lambda _: None)
    monkeypatch.setattr(flows.search, "ensure_api", lambda: pytest.fail("Prefect was asked"))
    with pytest.raises(ConfigError, match=r"numbers.yaml is there and was not written by a search"):
        flows.search.run_search(["name=numbers"], jobs=1, as_json=False, apply=False)


def test_the_command_says_what_is_wrong_before_it_starts_anything(project):
    space = f"space={json.dumps({'training.learning_rate': SPACE['training.lr']})}"
    for folder in (".git", ".dvc"):
        (project.root / folder).mkdir()
    (project.root / "dvc.yaml").write_text("stages: {}\n")
    done = subprocess.run(
        [sys.executable, "-m", "flows.search", "trails=3", space], cwd=project.root, env=project.environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "A search has no 'trails'. Did you mean 'trials'" in done.stderr
    assert "Traceback" not in done.stderr
