"""Runs whose process was killed: nobody was left to tell Prefect, whose pages would show them as running for ever."""

import os
import socket

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.states import Crashed

WHY = "Its process ended without a word: it was killed, had no memory left, or the machine went off."


def note_process() -> None:
    """Tell Prefect which process runs the flow that calls this, as its own workers do: host and number."""
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        with get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, infrastructure_pid=f"{socket.gethostname()}:{os.getpid()}")


def give_up_lost_runs() -> list[str]:
    """What this machine's processes ran and are gone is Crashed from now on. Returns the names of these runs."""
    running = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])))
    with get_client(sync_client=True) as client:
        lost = [run for run in client.read_flow_runs(flow_run_filter=running) if _is_lost(run)]
        for run in lost:
            state: State[None] = Crashed(message=WHY)
            client.set_flow_run_state(run.id, state, force=True)
    return [run.name for run in lost]


def _is_lost(run: FlowRun) -> bool:
    host, _, number = (run.infrastructure_pid or "").rpartition(":")
    if host != socket.gethostname() or not number.isdigit() or run.start_time is None:
        return False
    try:
        # A later process may have been given the number.
        return bool(psutil.Process(int(number)).create_time() > run.start_time.timestamp())
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
