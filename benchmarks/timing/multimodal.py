"""Pictures and texts into classes, from a table to scores on its test rows, beside AutoGluon Multimodal.

resnet18 at 224 px and two layers of text, random weights, 300 rows, two epochs, batches of 32, float32, two threads
each. Each is a process of its own, its start and imports included. AutoGluon wants other versions of much, and so an
environment of its own, which `make bench-autogluon` sets up.
"""

# Run as a script it is ours.

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.cli.stage import run_stage
from mmcore.config.update import update
from mmcore.registry.plugins import installed
from timing.elsewhere import AUTOGLUON
from timing.pairs import in_turns, not_measured, row
from timing.pictures import files

ROOT = Path(__file__).parents[2]
THEIRS = Path(__file__).with_name("multimodal_theirs.py")
ROWS, GOAL = 300, 1.4
FIELDS = """fields={
  photo: {modality: {name: image, size_px: 224}, encoder: {name: timm, model: resnet18, output: global}},
  text: {modality: {name: text, max_tokens: 32, vocabulary_size: 1000},
         encoder: {name: transformer, width: 128, layers: 2, heads: 4}},
  label: category}""".replace("\n", " ")
CHOICES = (
    "experiment=table", "data.source.path=rows.csv", "data.split.column=split", "data.max_broken=0.5", FIELDS,
    "fusion={name: concat, width: 128}", "training.epochs=2", "training.batch_size=32", "training.threads=2",
    "training.compile=off", "training.precision=float32", "floors.alone=false", "evaluation.without=false",
)  # fmt: skip


def multimodal_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Seconds of the two processes."""
    what = "image and text into classes, start to scores, beside AutoGluon Multimodal"
    if not AUTOGLUON.exists():
        return [not_measured(what, goal=GOAL, why="its environment is not there, make bench-autogluon")]
    with table(60 if quick else ROWS) as folder:
        mine, theirs = in_turns(
            lambda: alone([sys.executable, __file__], folder),
            lambda: alone([str(AUTOGLUON), str(THEIRS)], folder),
            turns=1 if quick else 3,
        )
    return [row(what, mine, theirs, goal=GOAL)]


@contextmanager
def table(count: int) -> Iterator[Path]:
    """A folder with rows.csv and its pictures; half as many rows more are for validation and testing."""
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list("abcdefghij"), draw.integers(3, 9))) for _ in range(300)]
    with files(count * 3 // 2, 224) as (folder, names):
        (folder / "conf").symlink_to(ROOT / "conf")
        splits = ["train"] * count + ["validation"] * (count // 4) + ["test"] * (len(names) - count - count // 4)
        lines = [
            ",".join([name, " ".join(draw.choice(words, 12)), "ab"[at % 2], split])
            for at, (name, split) in enumerate(zip(names, splits, strict=True))
        ]
        (folder / "rows.csv").write_text("\n".join(["photo,text,label,split", *lines]) + "\n", encoding="utf-8")
        yield folder


def alone(command: list[str], folder: Path) -> None:
    """One process to its end, which has to be a good one."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def ours() -> None:
    """Compose and every stage up to the scores, in the working folder."""
    update(Path(), CHOICES, plugins=installed(), force=True)
    run_stage("ingest", field=None)
    for stage in ("fit", "encode", "features"):
        for field in ("photo", "text", "label"):
            run_stage(stage, field=field)
    for stage in ("join", "train", "evaluate"):
        run_stage(stage, field=None)


if __name__ == "__main__":
    ours()
