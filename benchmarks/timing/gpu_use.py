"""A training of the built-in example on a GPU, and text that is written there."""

import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import chdir, suppress
from pathlib import Path
from typing import Any

import torch
import yaml

from mmcore.config.params import load_params
from mmcore.interfaces.writing import Writing
from mmcore.model.decode import generate
from mmcore.model.prepare import prepare
from mmcore.stages import train
from mmcore.stages.paths import Paths
from timing.gpu_models import Case

SCORE, GOAL = "answer/accuracy", 0.99


def written(case: Case, *, tokens: int) -> float:
    """Seconds in which a causal decoder writes so many tokens behind each sample's prefix, in float32 as mm predict."""
    model, batch = case.model.eval(), prepare(case.batch, case.readers)
    # A sign that nobody learned to write as the end: all texts get long.
    facts = {**case.readers["text"].facts(), "eos": 63}
    start = time.perf_counter()
    generate(model, batch, field="text", facts=facts, writing=Writing(max_tokens=tokens))
    if batch.row.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


class Reached(Exception):
    """The score that was asked for is there."""


def reached(prepared: Path, **settings: object) -> dict[str, Any]:
    """Trains easy_vqa from a prepared project until 99 % of the validation rows are right: seconds, epochs, score.

    settings: of `training`, in place of those in params.yaml. Beyond the epochs that it asks for it ends unreached.
    """
    rows = list[Mapping[str, float]]()

    def told(row: Mapping[str, float]) -> None:
        rows.append(row)
        if row[SCORE] >= GOAL:
            raise Reached

    with tempfile.TemporaryDirectory() as folder:
        params = yaml.safe_load((prepared / "params.yaml").read_text(encoding="utf-8"))
        params["training"] |= settings
        (Path(folder) / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
        ignored = shutil.ignore_patterns("model", "checkpoints")
        shutil.copytree(prepared / "artifacts", Path(folder) / "artifacts", ignore=ignored)
        start = time.perf_counter()
        with chdir(folder), suppress(Reached):
            paths = Paths(Path())
            train.run(load_params(paths.params, train.READS), paths, each_epoch=told)
        took = time.perf_counter() - start
    return {"seconds": took, "epochs": len(rows), "score": max((row[SCORE] for row in rows), default=0.0)}
