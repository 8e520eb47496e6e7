"""`python -m flows.schedule`: tell a Prefect server when to retrain; `make serve` does it, and runs the server too."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.schedules import Cron
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType
from prefect.workers.process import ProcessWorker

from flows.exits import DONE, run_to_exit
from flows.nightly import nightly
from flows.overdue import drop_overdue
from flows.project import check_project
from flows.timetable import Timetable, read_timetable
from mmcore.errors import ConfigError, SetupError

# Through PATH, which each worker sets for itself: machines need not have their clones in the same place.
COMMAND = "python -m prefect.engine"

LONGEST = 300
"""Characters that are quoted of what a server answers."""


def schedule(timetable: Timetable) -> list[str]:
    """Make or renew the pool and its deployments on the server. Returns a line about each, and one of what was missed.

    Of the nights that passed while nothing ran the newest is made up for; a look for changes needs no making up.
    """
    _renew_pool(timetable)
    told, missed = [], 0
    for name, cron, changed in [("nightly", timetable.cron, False), ("when-data-changes", timetable.check, True)]:
        try:
            schedules = [Cron(cron, timezone=timetable.timezone)] if cron else []
        except ValueError as error:
            raise ConfigError(f"{'check' if changed else 'cron'} in conf/schedule.yaml is {cron!r}: {error}") from error
        deployment = RunnerDeployment.from_flow(
            nightly,
            name,
            schedules=schedules,
            parameters={"only_if_changed": changed},
            entrypoint_type=EntrypointType.MODULE_PATH,
            work_pool_name=timetable.server.pool,
            job_variables={"command": COMMAND},
            description="Retrains where data or code have changed" if changed else "Retrains what is committed",
        )
        made = deployment.apply()
        assert isinstance(made, UUID), "it is asked for outside of any event loop"
        missed += drop_overdue(made, keep=0 if changed or cron is None else 1, now=datetime.now(UTC))
        told.append(f"{name}: {f'{cron} ({timetable.timezone})' if cron else 'not by the clock'}")
    return [*told, *([f"Runs by the clock that were missed and are not made up for: {missed}."] if missed else [])]


def _renew_pool(timetable: Timetable) -> None:
    """One run at a time, or as many as the timetable says, however many workers there are."""
    wanted = timetable.server
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(
                WorkPoolCreate(
                    name=wanted.pool,
                    type="process",
                    base_job_template=ProcessWorker.get_default_base_job_template(),
                    concurrency_limit=wanted.runs,
                )
            )
        except ObjectAlreadyExists:
            pool: WorkPool = client.read_work_pool(wanted.pool)
            if pool.concurrency_limit != wanted.runs:
                client.update_work_pool(wanted.pool, WorkPoolUpdate(concurrency_limit=wanted.runs))


def main() -> int:
    argparse.ArgumentParser("python -m flows.schedule", description=__doc__).parse_args()

    def run() -> int:
        check_project(Path.cwd())
        if not get_current_settings().api.url:
            raise SetupError(
                "PREFECT_API_URL names no server to tell. `make serve` starts one; on another machine set it to the "
                "address that this prints, with /api at its end."
            )
        timetable = read_timetable(Path.cwd())
        try:
            told = schedule(timetable)
        except httpx.HTTPStatusError as error:
            answer, words = error.response, " ".join(error.response.text.split())[:LONGEST]
            raise SetupError(
                f"Prefect's server at {get_current_settings().api.url} answers {answer.status_code} "
                f"{answer.reason_phrase} ({words}), so that it was told nothing more. Mend what it says "
                "(PREFECT_API_AUTH_STRING or PREFECT_API_KEY for 401 and 403); then call this again."
            ) from error
        except httpx.HTTPError as error:
            raise SetupError(
                f"Prefect's server at {get_current_settings().api.url} does not answer ({type(error).__name__}), so "
                "that it was told nothing. Start it, or mend PREFECT_API_URL; then call this again."
            ) from error
        print("\n".join(told))
        return DONE

    return run_to_exit(run)


if __name__ == "__main__":
    sys.exit(main())
