"""Learning curves as a table that people, `dvc plots` and the report read."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_curves(path: Path, curves: Sequence[Mapping[str, float]]) -> None:
    """A CSV file with one row an epoch: epoch, step, lr, loss, then the scores on the validation split."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first = ("epoch", "step", "lr", "loss")
    names = [*first, *sorted({name for row in curves for name in row} - set(first))]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for row in curves:
            writer.writerow({**row, "epoch": int(row["epoch"]), "step": int(row["step"])})
