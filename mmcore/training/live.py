"""Curves while a training is still at work: for `dvc plots` where they will stand in the end, and for TensorBoard."""

import csv
import time
from collections.abc import Mapping
from pathlib import Path

from mmcore.training.curves import write_curves
from mmcore.training.events import append_scalars

FILE = "learning.csv"


class LiveCurves:
    """Called with each epoch's row. What it writes into `folder` is no output, and stays for the next try."""

    def __init__(self, folder: Path, learning: Path) -> None:
        """folder: of this training alone, found again when it is started again. learning: where the curves belong."""
        self._folder = folder
        self._learning = learning

    def __call__(self, row: Mapping[str, float]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        told = self._before()
        # A training that was killed goes on from a checkpoint, and tells only of the epochs from there on.
        rows = [*(before for before in told if before["epoch"] < row["epoch"]), row]
        for path in (self._folder / FILE, self._learning):
            write_curves(path, rows)
        if rows == told:
            return  # it goes on after this epoch, and TensorBoard has it already
        scalars = {name: value for name, value in row.items() if name not in ("epoch", "step")}
        append_scalars(self._folder, scalars, step=int(row["step"]), time_s=time.time())

    def _before(self) -> list[dict[str, float]]:
        path = self._folder / FILE
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
