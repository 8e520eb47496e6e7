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
from flows.outcome import Outcome, Status
from flows.project import check_project
from flows.summary import REPORT, read_scores, score_line, score_table


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
        print(f"Changed: {', '.join(stale)}. What follows from it runs too. Prefect starts ...", file=sys.stderr)
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
    parser = argparse.ArgumentParser(prog="python -m flows.retrain", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="stages side by side (default: 2)")
    parser.add_argument("--force", action="store_true", help="run every stage, changed or not")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON on stdout")
    given = parser.parse_args()
    if given.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {given.jobs}.")
    return run_to_exit(lambda: retrain(Path.cwd(), jobs=given.jobs, force=given.force, as_json=given.json))


if __name__ == "__main__":
    sys.exit(main())
