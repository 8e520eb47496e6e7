"""A scratch project: conf/ of this repository, a recipe, every stage in order."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from goals.made import bring
from mmcore.cli.compose import compose_params
from mmcore.cli.stage import run_stage

ROOT = Path(__file__).parents[2]
BY_FIELD = ("fit", "encode", "features")


@dataclass(frozen=True)
class Outcome:
    """What one training came to."""

    metrics: dict[str, Any]
    parameters: int
    seconds: float
    folder: Path
    choices: tuple[str, ...] = field(default=())


def run_project(folder: Path, choices: Sequence[str], *, shelf: Path, report: bool = True) -> Outcome:
    """Compose params.yaml in `folder` and run every stage there, as `mm compose` and `dvc repro` would.

    shelf: a folder for what other runs can use as well. A folder whose params.yaml comes out the same as at its last
    complete run is not run again.
    """
    shelf = shelf.resolve()
    shelf.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "conf", folder / "conf", dirs_exist_ok=True)
    done = folder / "done.json"
    with contextlib.chdir(folder), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        compose_params(choices, force=True)
        params = (folder / "params.yaml").read_text(encoding="utf-8")
        about = json.loads(done.read_text(encoding="utf-8")) if done.exists() else {}
        if about.get("params") != params:
            shutil.rmtree(folder / "artifacts", ignore_errors=True)
            started = time.perf_counter()
            _stages(shelf, report=report)
            about = {"params": params, "seconds": time.perf_counter() - started}
            done.write_text(json.dumps(about), encoding="utf-8")
    read = {name: json.loads((folder / "artifacts" / f"{name}.json").read_text()) for name in ("metrics", "timings")}
    return Outcome(
        read["metrics"], read["timings"]["parameters"], float(about["seconds"]), folder, choices=tuple(choices)
    )


def _stages(shelf: Path, *, report: bool) -> None:
    fields = sorted(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["fields"])
    run_stage("ingest", field=None)
    for name in BY_FIELD:
        for field_name in fields:
            bring(name, shelf, field=field_name)
    run_stage("join", field=None)
    run_stage("train", field=None)
    bring("floors", shelf)
    run_stage("evaluate", field=None)
    if report:
        run_stage("report", field=None)
