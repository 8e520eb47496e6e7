"""`python -m flows.worker`: tell the fate of runs that a killed worker left, then become Prefect's worker.

Else such a run stands there as Running for ever, and the pool, which has room for one, never starts the next.
"""

import argparse
import hashlib
import os
import socket
import sys
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from flows.environment import python_module
from flows.timetable import read_timetable

LABEL = "prefect.worker.name"
UNFINISHED = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def worker_name(clone: Path) -> str:
    """One for each clone on each machine."""
    return f"{socket.gethostname()}-{hashlib.sha256(str(clone).encode()).hexdigest()[:8]}"


def bury(pool: str, name: str) -> list[str]:
    """Mark as crashed what a worker of this name had begun; none is running. Returns the names of the runs."""
    with get_client(sync_client=True) as client:
        left = [
            run
            for run in client.read_flow_runs(
                flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED))),
                work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
            )
            if run.labels.get(LABEL) == name
        ]
        for run in left:
            client.set_flow_run_state(run.id, Crashed(message="The worker was killed while this ran."), force=True)
    return [run.name for run in left]


def main() -> None:
    argparse.ArgumentParser("python -m flows.worker", description=__doc__).parse_args()
    clone = Path.cwd()
    pool, name = read_timetable(clone).server.pool, worker_name(clone)
    for run in bury(pool, name):
        print(f"Run {run} was left behind by a worker that was killed: now marked as crashed.", flush=True)
    command = [*python_module("prefect"), "worker", "start", "--pool", pool, "--type", "process", "--limit", "1"]
    os.execv(sys.executable, [*command, "--name", name])


if __name__ == "__main__":
    main()
