"""Which fusion should I use? Every fusion on every data set that it fits: three seeds, the same budget.

Writes one table in Markdown: the mean score over the seeds with its deviation, parameters, seconds of one training.
A training whose settings are those of its last complete run is not done again.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from goals.project import ROOT, Outcome, run_project
from realdata import av_digits, clothing_reviews, easy_vqa

from mmcore.errors import BuildError, ConfigError

SEEDS = (0, 1, 2)
SHORT = ("floors.alone=false", "evaluation.resamples=0", "evaluation.without=false")


@dataclass(frozen=True)
class Trial:
    """A data set on which fusions are compared."""

    what: str
    data: ModuleType
    table: str
    choices: tuple[str, ...]
    metric: str
    fields: tuple[str, str]
    """The field that asks (a guide, what is gathered) and the one that is asked of."""
    width: int


TRIALS = {
    "easy_vqa": Trial(
        "question about a picture",
        data=easy_vqa,
        table="easy_vqa/rows.csv",
        choices=(
            "experiment=easy_vqa", "data=table", "data.group=image_id", "data.split.column=split",
        ),
        metric="answer/accuracy",
        fields=("question", "image"),
        width=128,
    ),
    "av_same": Trial(
        "same digit, written and said",
        data=av_digits,
        table="av_digits/same.csv",
        choices=("experiment=av_same", "training.epochs=2"),
        metric="same/accuracy",
        fields=("sound", "image"),
        width=128,
    ),
    "av_degraded": Trial(
        "noisy digit, written and said",
        data=av_digits,
        table="av_digits/degraded.csv",
        choices=("experiment=av_digits", "fields.image.modality.size_px=14", "training.epochs=8"),
        metric="digit/accuracy",
        fields=("sound", "image"),
        width=128,
    ),
    "clothing": Trial(
        "review and its row of a table",
        data=clothing_reviews,
        table="clothing_reviews/rows.csv",
        choices=("experiment=clothing", "data.split.column=fold_0", "fields.review.encoder=ngrams"),
        metric="recommended/pr_auc",
        fields=("row", "review"),
        width=64,
    ),
}  # fmt: skip


def fusions_of(trial: Trial) -> dict[str, str]:
    """Name in the table -> choice of `mm compose`; without those that place streams for a writer or a search."""
    asks, asked = trial.fields
    width = f"width: {trial.width}"
    pooled = {name: f"fusion={{name: {name}, {width}, pool: both}}" for name in ("concat", "sum", "gated", "lowrank")}
    return {
        **pooled,
        "similarity, softmax": f"fusion={{name: similarity, first: {asked}, second: {asks}, {width}}}",
        "similarity, none": f"fusion={{name: similarity, first: {asked}, second: {asks}, {width}, normalise: none}}",
        "convsum": f"fusion={{name: convsum, {width}}}",
        "perceiver": f"fusion={{name: perceiver, {width}}}",
        "trunk": f"fusion={{name: trunk, {width}}}",
        "film": f"fusion={{name: film, guide: {asks}, guided: {asked}}}",
        "cross": f"fusion={{name: cross, into: {asks}, of: [{asked}], {width}}}",
        "bottleneck": f"fusion={{name: bottleneck, {width}, pool: both}}",
    }


def measure(name: str, trial: Trial, *, fusion: str, data: Path, work: Path, seeds: Sequence[int], quick: bool) -> dict:
    """One cell of the table: scores by seed, parameters, seconds; or why it does not fit."""
    table = work / "data" / trial.table
    if not table.exists():
        trial.data.prepare(data, work / "data")
    choice = fusions_of(trial)[fusion]
    limit = ("data.limit=300", "training.epochs=1") if quick else ()
    outcomes = list[Outcome]()
    cell = {"data": name, "fusion": fusion}
    for seed in seeds:
        folder = work / ("fusions-quick" if quick else "fusions") / name / fusion.replace(", ", "-") / str(seed)
        path = os.path.relpath(table, folder)
        choices = (*trial.choices, choice, f"data.source.path={path}", f"training.seed={seed}", *SHORT, *limit)
        try:
            outcomes.append(run_project(folder, choices, shelf=work / "made", report=False))
        except (BuildError, ConfigError) as error:
            return {**cell, "unfit": str(error)}
    scores = [float(outcome.metrics[trial.metric]) for outcome in outcomes]
    return {
        **cell,
        "scores": scores,
        "mean": statistics.fmean(scores),
        "deviation": statistics.stdev(scores) if len(scores) > 1 else None,
        "parameters": outcomes[0].parameters,
        "seconds": statistics.median(outcome.seconds for outcome in outcomes),
    }


def markdown(cells: Sequence[Mapping[str, Any]]) -> str:
    """A row a fusion, a column a data set; the best of each column is bold."""
    sets = list(dict.fromkeys(cell["data"] for cell in cells))
    best = {name: max(cell.get("mean", 0.0) for cell in cells if cell["data"] == name) for name in sets}
    lines = [f"| fusion | {' | '.join(TRIALS[name].what for name in sets)} |", "| --- |" + " --- |" * len(sets)]
    for fusion in dict.fromkeys(cell["fusion"] for cell in cells):
        row = {cell["data"]: cell for cell in cells if cell["fusion"] == fusion}
        lines.append(f"| {fusion} | {' | '.join(_cell(row.get(name), best[name]) for name in sets)} |")
    return "\n".join(lines)


def _cell(cell: Mapping[str, Any] | None, best: float) -> str:
    if cell is None or "unfit" in cell:
        return "-"
    mean = f"{100 * cell['mean']:.1f}"
    mean = f"**{mean}**" if cell["mean"] == best else mean
    spread = "" if cell["deviation"] is None else f" ± {100 * cell['deviation']:.1f}"
    return f"{mean}{spread}<br>{cell['parameters'] / 1000:,.0f} k, {cell['seconds']:.0f} s"


def main() -> None:
    """Read the arguments, train, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 rows, one epoch, one seed: that the path works")
    parser.add_argument("--only", nargs="+", metavar="DATA", choices=sorted(TRIALS), help="some of the data sets")
    parser.add_argument("--fusions", nargs="+", metavar="NAME", help="some of the fusions")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), metavar="N", help="trainings of each cell")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder with the archives")
    parser.add_argument("--work", type=Path, default=ROOT / ".mm" / "quality", help="unpacked data and trainings")
    parser.add_argument("--json", action="store_true", help="cells for programs")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.exit(message=f"There is no {options.data}: nothing to measure. Give the folder with --data.\n")
    cells = list[dict[str, Any]]()
    seeds = range(1 if options.quick else options.seeds)
    where = {"data": options.data, "work": options.work.resolve()}
    for name in options.only or TRIALS:
        for fusion in options.fusions or fusions_of(TRIALS[name]):
            cells.append(measure(name, TRIALS[name], fusion=fusion, seeds=seeds, quick=options.quick, **where))
            print(f"{name}, {fusion}: {cells[-1].get('scores', cells[-1].get('unfit'))}", file=sys.stderr, flush=True)
    print(json.dumps(cells, indent=2) if options.json else markdown(cells))


if __name__ == "__main__":
    main()
