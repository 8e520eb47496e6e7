"""Runs by the clock whose time passed while nothing could run them: they would be made up for, one after another."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import count
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

WAITING = ["Scheduled", "Late"]
PAGE = 200  # the most that the server lists at once


def drop_overdue(deployment: UUID, *, keep: int, now: datetime) -> int:
    """Take a deployment's runs by the clock off the server whose time has passed. Returns how many those were.

    keep: the newest of them that stay. Runs that somebody asked for all do. They are deleted, not cancelled: a night
    that was missed is still told as missed, and one that somebody cancelled is not.
    """
    with get_client(sync_client=True) as client:
        overdue = list(_overdue(client, deployment, now))  # all of them before the first goes, which shifts the pages
        for run in overdue[keep:]:
            with suppress(ObjectNotFound):  # somebody else was quicker
                client.delete_flow_run(run.id)
    return len(overdue[keep:])


def _overdue(client: SyncPrefectClient, deployment: UUID, now: datetime) -> Iterator[FlowRun]:
    """The newest first."""
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=WAITING)),
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"before_": now}),
    )
    for offset in count(step=PAGE):
        page = client.read_flow_runs(
            flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=PAGE, offset=offset
        )
        yield from (run for run in page if run.auto_scheduled)
        if len(page) < PAGE:
            return
