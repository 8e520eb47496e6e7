"""Every DVC stage a Prefect task, independent ones side by side; afterwards `dvc repro` finds nothing to do."""

import argparse
import logging
import queue
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Completed, Failed
from rich.console import Console
from rich.text import Text

from flows.exits import exit_code, run_to_exit
from flows.gpus import Gpus, visible_gpus
from flows.graph import Graph
from flows.lost import give_up_lost_runs, note_process
from flows.options import stage_options
from flows.order import Order, needed
from flows.outcome import Outcome, Status
from flows.project import check_project, check_writable
from flows.server import ensure_api, no_answer
from flows.settings import check_encoders
from flows.signals import noted
from flows.stop import Stop
from flows.summary import outcome_table
from mmcore.errors import SetupError


def run_pipeline(*, jobs: int, force: bool, last: str | None = None) -> list[Outcome]:
    """Bring every stage up to date. Returns what became of each, in an order in which they may run.

    last: a stage; then those that it needs and itself alone.

    A stage that fails takes its dependents with it and nothing else. A server that goes away meanwhile keeps no stage
    from running. Raises KeyboardInterrupt or SystemExit after a signal, when what ran has ended, SetupError where the
    server does not answer at the start, and ConfigError where params.yaml has an encoder that cannot read its field.
    """
    check_encoders(Path.cwd())
    ensure_api()
    done = list[Outcome]()
    _done.set(done)
    try:
        with ThreadPoolExecutor(2) as beside, quiet_terminal():
            # DVC reads its files and Prefect is told of older runs while it makes this one.
            _graph.set(beside.submit(Graph).result)
            cleared = beside.submit(copy_context().run, give_up_lost_runs)
            state = pipeline(jobs=jobs, force=force, last=last, return_state=True)
            cleared.result()
        outcomes = state.result(raise_on_failure=False)
        if isinstance(outcomes, BaseException):
            raise outcomes
        return outcomes
    except (httpx.HTTPError, RuntimeError) as error:
        if not isinstance(error, httpx.HTTPError) and "Failed to reach API" not in str(error):
            raise
        if not done:
            raise no_answer(error) from error
        print("Prefect's server went away: its pages do not know how this ended.", file=sys.stderr)
        return done


_done: ContextVar[list[Outcome]] = ContextVar("done")
"""What became of the stages, for when Prefect can no longer hand it on."""
_graph: ContextVar[Callable[[], Graph]] = ContextVar("graph", default=Graph)
"""Gives the graph, or raises what is wrong with it."""


@flow(name="pipeline", persist_result=False)
def pipeline(jobs: int = 2, force: bool = False, last: str | None = None) -> list[Outcome]:
    """The stages of the repository in the working folder, at most `jobs` at once."""
    console = Console(stderr=True)
    note_process()
    with closing(_graph.get()()) as graph:
        wanted = list(graph.needs) if last is None else needed(graph.needs, last)
        walk = _Walk(graph, wanted, console, jobs=jobs, force=force)
        with noted(walk.note_signal):
            walk.to_the_end()
            outcomes = [walk.outcomes[name] for name in wanted]
            _done.get([]).extend(outcomes)
            _report(outcomes, console)
    failed = [outcome.stage for outcome in outcomes if outcome.status is Status.FAILED]
    state = Failed if failed else Completed
    # Prefect takes a state for what the flow returns, and hands its callers the data in it.
    return state(message=_count(outcomes), data=outcomes)  # type: ignore[return-value]


class _Walk:
    """One walk over the graph: starts what may start, notes what became of it."""

    def __init__(self, graph: Graph, wanted: Sequence[str], console: Console, *, jobs: int, force: bool) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._graph = graph
        self._console = console
        self._force = force
        names = visible_gpus()
        self._gpus = Gpus(names)
        self._order = _order(graph, wanted, jobs=jobs, gpus=len(names))
        self._stop = Stop()
        self._futures: dict[str, PrefectFuture[Any]] = {}
        # A SimpleQueue because a signal handler puts into it, perhaps while the same thread is doing so.
        self._news: queue.SimpleQueue[str | signal.Signals] = queue.SimpleQueue()

    def note_signal(self, number: signal.Signals) -> None:
        self._news.put(number)

    def to_the_end(self) -> None:
        while not self._order.over:
            for name in self._order.take():
                self._start(name)
            try:
                # A handler runs in this thread alone, and if another was given the signal, not before this one moves.
                news = self._news.get(timeout=0.5)
            except queue.Empty:
                continue
            if isinstance(news, signal.Signals):
                self._end_early()
            else:
                self._finish(news)

    def _start(self, name: str) -> None:
        stage = task(name=name, task_run_name=name, persist_result=False, cache_policy=NO_CACHE)(self._run_stage)
        needed = [self._futures[other] for other in self._graph.needs[name]]
        extra = self._gpus.take(name, self._graph.wishes[name].gpu)
        future = stage.submit(name, extra, wait_for=needed, return_state=False)
        self._futures[name] = future
        future.add_done_callback(lambda _: self._news.put(name))

    def _run_stage(self, name: str, extra: Mapping[str, str]) -> State[Any]:
        """In a thread of Prefect's, as its task."""
        log, label = get_run_logger(), (f"{name} | ", "dim")

        def show(line: str) -> None:
            log.info("%s", line)
            self._console.print(Text.assemble(label, Text.from_ansi(line)), soft_wrap=True)

        wishes = self._graph.wishes[name]
        for tries in count(1):
            outcome = self._graph.run(name, show, stop=self._stop, force=self._force, environment=extra)
            outcome = replace(outcome, tries=tries)
            show(f"{outcome.status} after {outcome.seconds:.1f} s")
            # What says that the user can mend it fails the same way again.
            if outcome.status is not Status.FAILED or outcome.mendable or tries > wishes.retries:
                break
            delay_s = wishes.delay_s(tries)
            show(f"{outcome.reason.splitlines()[0]} Try {tries + 1} of {wishes.retries + 1} in {delay_s:g} s.")
            if self._stop.wait(delay_s):
                break
        self.outcomes[name] = outcome
        return _state(outcome)

    def _finish(self, name: str) -> None:
        if name not in self.outcomes:
            self._futures[name].result()  # raises the fault of ours that kept it from having an outcome
            raise AssertionError(f"The task of {name} ended in {self._futures[name].state} and left no outcome.")
        self._gpus.give_back(name)
        for lost in self._order.finish(name, good=self.outcomes[name].status.good):
            self.outcomes[lost] = Outcome(lost, Status.SKIPPED, reason=f"because of {name}")

    def _end_early(self) -> None:
        if not self._stop.requested:
            self._console.print("Ending what runs; once more to kill it.")
        for name in self._order.clear():
            self.outcomes[name] = Outcome(name, Status.SKIPPED, reason="because of a signal")
        self._stop.request()


def _order(graph: Graph, wanted: Sequence[str], *, jobs: int, gpus: int) -> Order:
    """Of the wanted stages, with what they ask for. Raises SetupError where one wants more GPUs than there are."""
    uses = dict[str, dict[str, int]]()
    for name in wanted:
        wishes = graph.wishes[name]
        if wishes.gpu > gpus > 0:
            raise SetupError(
                f"Stage {name} asks for {wishes.gpu} GPUs (meta.gpu in dvc.yaml), and there are {gpus}. Lower it, or "
                "name more in CUDA_VISIBLE_DEVICES."
            )
        uses[name] = {f"mutex {mutex}": 1 for mutex in wishes.mutex}
        if wishes.gpu and gpus:
            uses[name]["gpu"] = wishes.gpu
    slots = {what: 1 for used in uses.values() for what in used}
    needs = {name: graph.needs[name] for name in wanted}
    return Order(needs, jobs=jobs, uses=uses, slots={**slots, "gpu": gpus})


def _state(outcome: Outcome) -> State[Any]:
    if outcome.status.good:
        return Completed(name=outcome.status.capitalize())
    return Failed(message=outcome.reason) if outcome.status is Status.FAILED else Cancelled(message="stopped")


def _report(outcomes: Sequence[Outcome], console: Console) -> None:
    console.print(outcome_table(outcomes))
    rows = [
        {
            "stage": outcome.stage, "status": outcome.status, "began": outcome.began,
            "seconds": round(outcome.seconds, 1), "tries": outcome.tries, "reason": outcome.reason,
        }
        for outcome in outcomes
    ]  # fmt: skip
    create_table_artifact(rows, key="outcomes", description=_count(outcomes))


def _count(outcomes: Sequence[Outcome]) -> str:
    counts = {status: sum(outcome.status is status for outcome in outcomes) for status in Status}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def main() -> int:
    parser = argparse.ArgumentParser("python -m flows.pipeline", description=__doc__, parents=[stage_options()])
    given = parser.parse_args()

    def run() -> int:
        check_project(Path.cwd())
        check_writable(Path.cwd())
        return exit_code(run_pipeline(jobs=given.jobs, force=given.force))

    return run_to_exit(run)


@contextmanager
def quiet_terminal() -> Iterator[None]:
    """Keep Prefect's account of each run out of the terminal, where ours stands; its own log has both."""
    loggers = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs")]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.propagate = propagate


if __name__ == "__main__":
    sys.exit(main())
