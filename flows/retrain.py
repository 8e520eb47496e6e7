"""`python -m flows.retrain`: bring the model up to date with data, code and parameters, and say how good it is."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from flows.exits import exit_code, run_to_exit
from flows.graph import Graph
from flows.options import stage_options
from flows.outcome import Outcome, Status
from flows.project import check_project
from flows.summary import REPORT, read_scores, score_line, score_table

NAMED = 5  # stages in one line


def retrain(root: Path, *, jobs: int, force: bool, as_json: bool) -> int:
    """The steps, in order. Returns the exit code."""
    check_project(root)
    outcomes = [] if is_up_to_date() and not force else bring_up_to_date(jobs=jobs, force=force)
    if as_json:
        tell_as_json(root, outcomes)
    else:
        tell(root, outcomes)
    return exit_code(outcomes)


def is_up_to_date() -> bool:
    """By DVC alone: Prefect takes seconds to start, and most nights bring nothing new."""
    with closing(Graph()) as graph:
        stale = graph.stale()
    if stale:
        named = ", ".join(stale[:NAMED]) + (f" and {len(stale) - NAMED} more" if len(stale) > NAMED else "")
        print(f"To be brought up to date: {named}, and what follows from it. Starting Prefect.", file=sys.stderr)
    return not stale


def bring_up_to_date(*, jobs: int, force: bool) -> list[Outcome]:
    # Here, because importing it loads Prefect.
    from flows.pipeline import run_pipeline

    return run_pipeline(jobs=jobs, force=force)


def tell(root: Path, outcomes: Sequence[Outcome]) -> None:
    """For people: what went wrong, or the score beside its floors and where the page is."""
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    for outcome in failed:
        print(f"{outcome.stage} failed: {outcome.reason}", file=sys.stderr)
    if failed:
        return
    scores = read_scores(root)
    if not outcomes:
        print("Nothing to do: data, code and parameters are as the last run found them.", *map(score_line, scores[:1]))
    elif scores:
        Console().print(score_table(scores))
    if (root / REPORT).exists():
        print(f"The report: {REPORT}")


def tell_as_json(root: Path, outcomes: Sequence[Outcome]) -> None:
    """The same for programs, alone on stdout."""
    report = {
        "up_to_date": all(outcome.status.good for outcome in outcomes),
        "stages": [asdict(outcome) for outcome in outcomes],
        "scores": [asdict(score) for score in read_scores(root)],
        "report": str(REPORT) if (root / REPORT).exists() else None,
    }
    print(json.dumps(report, indent=2))


def main() -> int:
    parser = argparse.ArgumentParser("python -m flows.retrain", description=__doc__, parents=[stage_options()])
    parser.add_argument("--json", action="store_true", help="tell the result as JSON on stdout")
    given = parser.parse_args()
    return run_to_exit(lambda: retrain(Path.cwd(), jobs=given.jobs, force=given.force, as_json=given.json))


if __name__ == "__main__":
    sys.exit(main())
