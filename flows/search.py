"""`python -m flows.search`: prepare the data, run trials as Prefect tasks, hand the winner to the pipeline."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from flows.environment import for_stages
from flows.exits import DONE, exit_code, run_to_exit
from flows.options import jobs
from flows.outcome import Outcome, Status
from flows.pipeline import quiet_terminal, run_pipeline
from flows.project import check_project, check_writable
from flows.server import ensure_api
from flows.signals import noted
from flows.trials import Trials, places_of, runner_of
from mmcore.config.experiment import place_of
from mmcore.config.search import read_search
from mmcore.errors import MmcoreError
from mmcore.registry.plugins import installed
from mmcore.search.display import Display
from mmcore.search.driver import Ended
from mmcore.search.plan import Plan, make_plan, name_of
from mmcore.search.remote import at_hand, run_here
from mmcore.search.session import opened, save, search
from mmcore.search.slots import slots_of
from mmcore.search.winner import Result

LAST = "join"
"""The stage after which the data is prepared."""


def run_search(words: Sequence[str], *, jobs: int, as_json: bool, apply: bool) -> int:
    """The steps, in order. Returns the exit code."""
    root = Path.cwd()
    check_project(root)
    check_writable(root)
    asked = read_search(root, words, plugins=installed())  # mistakes are told before anything starts
    place_of(root, name_of(asked))
    ensure_api()
    outcomes = run_pipeline(jobs=jobs, force=False, last=LAST)
    if code := exit_code(outcomes):
        tell_failed(outcomes)
        return code
    plan = make_plan(read_search(root, words, plugins=installed()), plugins=installed())
    ended, result = run_trials(plan)
    save(result, plan.root / plan.folder)
    command = ["mm", "search", *words, "--result", *(["--json"] if as_json else [])]
    code = subprocess.run(command, env=programs(), check=False).returncode
    if code:
        return code  # no trial came to a score, among others: it said so
    if ended.too_many_failed:
        raise MmcoreError(f"{ended.why}; the reasons stand on the page.")
    return take(plan, result, jobs=jobs) if apply else DONE


def run_trials(plan: Plan) -> tuple[Ended, Result]:
    """A flow with a task run for each trial. Raises KeyboardInterrupt or SystemExit after a signal."""
    asked_to_end = list[Any]()
    with Display(trials=plan.settings.trials) as display:

        def searching() -> Any:
            with noted(asked_to_end.append), opened(plan, display, display.step) as host:
                display.follow(host.study)
                trials = Trials(plan, host)
                try:
                    return search(
                        plan, host, display, trials.submit, trials.judge, places=places,
                        stopped=lambda: bool(asked_to_end),
                    )  # fmt: skip
                finally:
                    host.close()

        runner: Any  # one of Prefect's, which are no kind of each other to a type checker
        if plan.settings.dask is None:
            places = places_here(plan)
            runner = ThreadPoolTaskRunner(max_workers=places)
        else:
            runner, places = runner_of(plan), places_of(plan)
        made = flow(name="search", flow_run_name=plan.name, task_runner=runner, persist_result=False)(run_here)
        with quiet_terminal(), at_hand(plan.name, searching):
            # To a type checker `Any` might be a coroutine.
            state: State[Any] = made(plan.name, return_state=True)  # type: ignore[assignment]
    found: tuple[Ended, Result] | BaseException = state.result(raise_on_failure=False)
    if isinstance(found, BaseException):
        raise found
    return found


def take(plan: Plan, result: Result, *, jobs: int) -> int:
    """Make the winner the model, where it is better than what was there."""
    if result.comparison is None or result.comparison.verdict != "better":
        print("The model stays: the winner is not shown to be better.", file=sys.stderr)
        return DONE
    composed = subprocess.run(["mm", "compose", f"experiment={plan.name}"], env=programs(), check=False)
    if composed.returncode:
        return composed.returncode
    outcomes = run_pipeline(jobs=jobs, force=False)
    tell_failed(outcomes)
    return exit_code(outcomes)


def places_here(plan: Plan) -> int:
    """How many trials run at once on this machine."""
    return len(
        slots_of(plan.settings, threads=plan.values["training"]["threads"], device=plan.values["training"]["device"])
    )


def tell_failed(outcomes: Sequence[Outcome]) -> None:
    """What went wrong in the pipeline."""
    for outcome in outcomes:
        if outcome.status is Status.FAILED:
            print(f"{outcome.stage} failed: {outcome.reason}", file=sys.stderr)


def programs() -> dict[str, str]:
    """The environment in which `mm` is the one beside this interpreter."""
    return {**os.environ, **for_stages()}


def main() -> int:
    parser = argparse.ArgumentParser("python -m flows.search", description=__doc__)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="SPACE | KEY=VALUE",
        help="as of `mm search`: a file of conf/search/, trials=20, ...",
    )
    parser.add_argument("--jobs", type=jobs, default=2, metavar="N", help="stages side by side (default: 2)")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON on stdout")
    parser.add_argument("--apply", action="store_true", help="if the winner is better, make it the model")
    given = parser.parse_args()
    return run_to_exit(lambda: run_search(given.words, jobs=given.jobs, as_json=given.json, apply=given.apply))


if __name__ == "__main__":
    sys.exit(main())
