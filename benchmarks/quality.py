"""What each recipe reaches on real data, beside its floors and its goal: one table, and one page of HTML.

Each row is trained as a user would train it (`mm compose experiment=NAME data.source.path=...`, then every stage) in a
scratch project under --work; a row whose settings are those of its last complete run is not trained again.
"""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goals.page import write_page
from goals.project import ROOT, Outcome, run_project
from goals.rows import Benchmark
from goals.score import lines
from goals.table import BENCHMARKS

QUICK = ("training.epochs=1", "floors.epochs=1", "evaluation.resamples=50", "data.max_broken=0.1")


def measure(name: str, benchmark: Benchmark, *, data: Path, work: Path, quick: bool) -> list[dict[str, Any]]:
    """The lines of one row of the table."""
    cache = work / "data"
    table = cache / benchmark.table
    if not table.exists():
        benchmark.data.prepare(data, cache)
    where = work / ("quick" if quick else "runs") / name
    short = (f"data.limit={benchmark.rows}", *QUICK, *benchmark.quick) if quick else ()
    runs = dict(list(benchmark.runs.items())[:1]) if quick else benchmark.runs
    weights = benchmark.weights(cache) if benchmark.weights and not quick else ()

    def outcome(label: str, choices: tuple[str, ...]) -> Outcome:
        folder = where / (label or "run")
        path = os.path.relpath(table, folder)
        return run_project(
            folder,
            shelf=work / "made",
            choices=[*benchmark.choices, *weights, f"data.source.path={path}", *choices, *short],
        )

    outcomes = {label: outcome(label, choices) for label, choices in runs.items()}
    others = {
        label: {run: outcome(f"{label} {run}".strip(), (*choices, *own)) for run, own in runs.items()}
        for label, choices in (() if quick else benchmark.beside.items())
    }
    floors = benchmark.floors(table) if benchmark.floors and not quick else {}
    found = lines(name, benchmark, outcomes, others=others, floors=floors)
    return [{**line, "met": None} for line in found] if quick else found


def show(row: Mapping[str, Any]) -> str:
    """One line for people."""
    value = f"{row['ours']:.4g}" + (" ({:.4g} to {:.4g})".format(*row["spread"]) if row["spread"] else "")
    sign = "at least" if row["better"] == "up" else "at most"
    verdict = {True: "reached", False: "NOT reached", None: "not judged"}[row["met"]]
    goal = "shown" if row["goal"] is None else f"{sign} {row['goal']:.4g}: {verdict}"
    beside = ", ".join(f"{name} {value:.4g}" for name, value in row["floors"].items())
    cost = f"{row['parameters']:,} parameters, {row['seconds']:.0f} s"
    return f"{row['name']:16} {row['metric']:30} {value:26} {goal:28} [{beside}] {cost}"


def main() -> None:
    """Read the arguments, measure, print, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few hundred rows, one epoch: that the path works")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=sorted(BENCHMARKS), help="some rows of the table")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder with the archives")
    parser.add_argument("--work", type=Path, default=ROOT / ".mm" / "quality", help="unpacked data and trainings")
    parser.add_argument("--json", action="store_true", help="rows for programs")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.exit(message=f"There is no {options.data}: nothing to measure. Give the folder with --data.\n")
    rows = list[dict[str, Any]]()
    for name in options.only or BENCHMARKS:
        found = measure(name, BENCHMARKS[name], data=options.data, work=options.work.resolve(), quick=options.quick)
        rows += found
        if not options.json:
            print("\n".join(map(show, found)), flush=True)
        write_page(options.work / "quality.html", rows, quick=options.quick)
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
