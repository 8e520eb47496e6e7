"""`python -m flows.watch`: tell people of runs that failed, that died, and that did not happen at all.

It reads what Prefect's server knows, not what a run says of itself: a run that was killed says nothing, and one that
never started even less. `make serve` keeps it running; `--once` is for a cron on another machine, since a machine that
is off cannot tell that it is.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.server.schemas.schedules import CronSchedule
from prefect.settings import get_current_settings

from flows.exits import DONE, FAULT, run_to_exit
from flows.nightly import UNEVENTFUL
from flows.notify import News, tell
from flows.record import read_record, write_record
from flows.timetable import Timetable, read_timetable

EVERY_S = 15.0
LOOK_BACK = timedelta(days=3)  # a service that was down for longer does not list every night of it
SAME_TIME = timedelta(seconds=5)
UNREACHABLE_S = 120.0  # the server is started again when it dies; that is no news
KEPT = 500  # what was told, so as not to tell it twice
PAGE = 200  # the most that the server lists at once
NIGHTLY, CHECK = "nightly", "when-data-changes"
BAD = (StateType.FAILED, StateType.CRASHED)
OVER = (*BAD, StateType.CANCELLED)  # perhaps before it had started


@dataclass(frozen=True)
class Seen:
    """What the server knows."""

    nightly: Sequence[FlowRun]  # runs by the clock, the newest last
    checks: Sequence[FlowRun]  # looks for changes, but for those that found none
    paused: bool  # the nightly deployment, by hand: then nothing is missed


def find_news(
    seen: Seen, due: Iterable[datetime], *, since: datetime, now: datetime, grace: timedelta
) -> dict[str, News]:
    """Everything to be told, under a name that is the same at the next look.

    due: when runs by the clock were to start. since: what ended before is old.
    """
    runs = [*seen.nightly, *seen.checks]
    ended = [run for run in runs if _has_ended(run) and run.end_time is not None and run.end_time >= since]
    news = {f"{run.id} ended": _of_ended(run) for run in ended}
    for when in due if not seen.paused else ():
        if when + grace <= now and (missed := _missed(seen.nightly, when, now)) is not None:
            news[f"{when.isoformat()} missed"] = missed
    return news


def _has_ended(run: FlowRun) -> bool:
    """In a way that is news: runs that found nothing new, or were cancelled by hand, are none."""
    if run.state is None or run.state.type not in (*BAD, StateType.COMPLETED):
        return False
    return run.state.name != UNEVENTFUL


def _of_ended(run: FlowRun) -> News:
    assert run.state is not None, "it has ended"
    bad = run.state.type in BAD
    what = ("crashed" if run.state.type is StateType.CRASHED else "failed") if bad else "is done"
    return News(
        "failed" if bad else "done", f"Retraining {run.name} {what}: {run.state.message or '-'}", run.name, _page(run)
    )


def _missed(runs: Sequence[FlowRun], when: datetime, now: datetime) -> News | None:
    """None where a run of that time has started, late or not: late ones were told of when they were missing."""
    first, last = when - SAME_TIME, when + SAME_TIME
    of_that_time = [run for run in runs if run.expected_start_time and first <= run.expected_start_time <= last]
    if any(run.start_time is not None or run.state_type in OVER for run in of_that_time):
        return None
    late = f"The retraining of {when:%Y-%m-%d %H:%M} UTC has not started by {now:%H:%M}"
    if not of_that_time:
        return News(
            "missed",
            f"{late}: the server has no run of that time. It was never scheduled (did the server run, and is the "
            "schedule on?), or it was dropped: of nights that passed while nothing could run them `make serve` makes "
            "up for at most the newest.",
        )
    state = of_that_time[0].state_name or "unknown"
    return News(
        "missed",
        f"{late}; its state is {state}. Is a worker running, or another run still at work?",
        of_that_time[0].name,
        _page(of_that_time[0]),
    )


def _page(run: FlowRun) -> str:
    return f"{(get_current_settings().api.url or '').removesuffix('/api')}/runs/flow-run/{run.id}"


def due_times(timetable: Timetable, since: datetime, until: datetime) -> list[datetime]:
    """When the clock was to start a run, in UTC."""
    if timetable.cron is None or since >= until:
        return []
    schedule = CronSchedule(cron=timetable.cron, timezone=timetable.timezone)
    dates = asyncio.run(schedule.get_dates(KEPT, start=since, end=until))
    # Of a class of their own, which loses its time zone when a span is added to it.
    return [datetime.fromtimestamp(when.timestamp(), UTC) for when in dates]


def look(now: datetime) -> Seen:
    """Raises httpx.HTTPError or PrefectHTTPStatusError where the server does not answer."""
    with get_client(sync_client=True) as client:
        try:
            paused = client.read_deployment_by_name(f"nightly/{NIGHTLY}").paused
        except ObjectNotFound:
            return Seen([], [], paused=False)
        nightly, checks = (list(_runs(client, name, until=now)) for name in (NIGHTLY, CHECK))
    return Seen(nightly, checks, paused=paused)


def _runs(client: SyncPrefectClient, deployment: str, *, until: datetime) -> Iterator[FlowRun]:
    """In the order of their times. Of the checks only what is news: one every few minutes makes hundreds of them."""
    times = FlowRunFilterExpectedStartTime.model_validate({"after_": until - LOOK_BACK, "before_": until})
    eventful = FlowRunFilterState(name=FlowRunFilterStateName(not_any_=[UNEVENTFUL]))
    for offset in count(step=PAGE):
        page = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(expected_start_time=times, state=eventful if deployment == CHECK else None),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=PAGE, offset=offset,
        )  # fmt: skip
        yield from page
        if len(page) < PAGE:
            return


class Watch:
    """Looks again and again, and tells each thing once; what it told outlives it, in .mm/schedule/told.json."""

    def __init__(self, root: Path) -> None:
        self._root = root
        record = read_record(root, "told")
        self._told: list[str] = list(record.get("told", []))
        self._partly: dict[str, list[str]] = dict(record.get("partly", {}))  # told to these channels, not to others
        self._since = datetime.fromisoformat(record["since"]) if "since" in record else datetime.now(UTC)
        self._clock: list[Any] | None = record.get("clock")
        self._clock_since = datetime.fromisoformat(record["clock_since"]) if "clock_since" in record else self._since
        self._answered = time.monotonic()
        self._keep()  # a service that starts every morning still knows that it was to look after the night

    def look_once(self, *, now: datetime | None = None, patience_s: float = UNREACHABLE_S) -> list[News]:
        """One look. Returns what was wrong or new, and has told it.

        patience_s: how long the server may be silent before that is wrong.
        """
        now = now or datetime.now(UTC)
        timetable = read_timetable(self._root)
        # A clock that was put back must not hide what comes from now on.
        self._since = max(min(self._since, now), now - LOOK_BACK)
        try:
            seen = look(now)
            self._answered = time.monotonic()
        except (httpx.HTTPError, PrefectHTTPStatusError, RuntimeError) as error:
            return self._unreachable(error, timetable, patience_s)
        self._note_clock([timetable.cron, timetable.timezone, seen.paused], now)
        grace = timedelta(minutes=timetable.notify.grace_min)
        due = due_times(timetable, self._clock_since, now)
        found = find_news(seen, due, since=self._since, now=now, grace=grace)
        fresh = {name: news for name, news in found.items() if name not in self._told}
        for name, news in fresh.items():
            self._tell(name, news, timetable)
        return list(fresh.values())

    def _note_clock(self, clock: list[Any], now: datetime) -> None:
        """Nights before the schedule was as it is, and was on, are not missed."""
        changed = self._clock not in (None, clock)
        self._clock_since = now if changed else max(min(self._clock_since, now), self._since)
        if clock != self._clock:
            self._clock = clock
            self._keep()

    def _unreachable(self, error: Exception, timetable: Timetable, patience_s: float) -> list[News]:
        if time.monotonic() - self._answered < patience_s:
            return []
        news = News("failed", f"Prefect's server does not answer ({type(error).__name__}); no run can start.")
        name = f"silent {datetime.now(UTC):%F %H}"  # once an hour
        if name in self._told:
            return []
        self._tell(name, news, timetable)
        return [news]

    def _tell(self, name: str, news: News, timetable: Timetable) -> None:
        """Where it could not be sent the next look tries again, there and nowhere else."""
        have = self._partly.pop(name, [])
        tried = tell(news, timetable.notify, root=self._root, but=have)
        wrong = [line for lines in tried.values() for line in lines]
        for line in wrong:
            print(line, flush=True)
        if wrong:
            self._partly[name] = [*have, *(channel for channel, lines in tried.items() if not lines)]
        else:
            print(f"{news.kind}: {news.text}", flush=True)
            self._told = [*self._told, name][-KEPT:]
        self._keep()

    def _keep(self) -> None:
        record = {
            "since": self._since.isoformat(), "told": self._told, "partly": dict([*self._partly.items()][-KEPT:]),
            "clock": self._clock, "clock_since": self._clock_since.isoformat(),
        }  # fmt: skip
        write_record(self._root, record, "told")


def main() -> int:
    parser = argparse.ArgumentParser("python -m flows.watch", description=__doc__)
    parser.add_argument("--once", action="store_true", help="look once; exit code 1 where something is wrong")
    given = parser.parse_args()

    def run() -> int:
        watch = Watch(Path.cwd())
        while True:
            news = watch.look_once(patience_s=0 if given.once else UNREACHABLE_S)
            if given.once:
                return FAULT if any(item.kind != "done" for item in news) else DONE
            time.sleep(EVERY_S)

    return run_to_exit(run)


if __name__ == "__main__":
    sys.exit(main())
