"""What a killed process ran does not stay as running in Prefect's pages."""

import os
import socket
import subprocess

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Running

from flows.lost import give_up_lost_runs
from flows.pipeline import run_pipeline

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow(name="any")
def any_flow():
    pass


def running(process):
    """The id of a run that Prefect believes to be at work in a process, HOST:NUMBER."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(any_flow, state=Running())
        client.update_flow_run(run.id, infrastructure_pid=process)
        return run.id


def state_of(run):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).state.type


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_a_run_whose_process_is_gone_is_crashed_and_no_other(dead):
    here = socket.gethostname()
    ours, lost = running(f"{here}:{os.getpid()}"), running(f"{here}:{dead}")
    far, unknown = running(f"elsewhere:{dead}"), running(None)
    give_up_lost_runs()
    assert [state_of(run) for run in (ours, lost, far, unknown)] == [
        StateType.RUNNING, StateType.CRASHED, StateType.RUNNING, StateType.RUNNING,
    ]  # fmt: skip


def test_a_number_that_was_given_to_a_later_process_is_not_taken_for_the_run_s(monkeypatch):
    lost = running(f"{socket.gethostname()}:{os.getpid()}")
    monkeypatch.setattr("psutil.Process.create_time", lambda _: 4e9)
    give_up_lost_runs()
    assert state_of(lost) == StateType.CRASHED


def test_the_pipeline_says_which_process_it_is_and_clears_up_first(project, dead):
    lost = running(f"{socket.gethostname()}:{dead}")
    project.stages(copy={"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]})
    run_pipeline(jobs=1, force=False)
    assert state_of(lost) == StateType.CRASHED
    with get_client(sync_client=True) as client:
        pids = [run.infrastructure_pid for run in client.read_flow_runs(sort="START_TIME_DESC", limit=1)]
    assert pids == [f"{socket.gethostname()}:{os.getpid()}"]
