"""A project that is prepared in a second: four numbers, and which of two kinds of thing they belong to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from dvc.utils.serialize import dumps_yaml

from mmcore.config.params import load_params
from mmcore.config.search import read_search
from mmcore.config.update import read_current, update
from mmcore.registry.plugins import installed
from mmcore.search.plan import make_plan
from mmcore.stages import encode, features, fit, ingest, join
from mmcore.stages.paths import Paths

ROOT = Path(__file__).parents[2]
CHOICES = ("experiment=numbers", "training.epochs=2", "training.batch_size=32", "evaluation.resamples=20")
EXPERIMENT = """\
# @package _global_
defaults:
  - override /data: table
data:
  source: {path: rows.csv}
  split: {column: split}
fields:
  numbers:
    column: [a, b, c, d]
    modality: {name: table, numbers: [a, b, c, d]}
    encoder: {name: table-mlp, widths: [8]}
  kind: category
fusion: {name: concat, width: 8}
tasks:
  kind: {name: classification}
training:
  monitor: kind/accuracy
"""
SPACE = {
    "training.lr": {"low": 0.001, "high": 0.1, "log": True},
    "fusion.width": {"low": 4, "high": 16, "factor": True},
}


class Project:
    """Its folder, and `mm` in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def environment(self, **more: str) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **more}

    def mm(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        done = subprocess.run(
            ["mm", *arguments], cwd=self.root, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Something that goes on beside the test."""
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment(**environment), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def plan(self, *words, **settings):
        """The plan for settings given as Python has them; the space of this file where none is given."""
        chosen = [f"{key}={json.dumps(value)}" for key, value in {"space": SPACE, **settings}.items()]
        return make_plan(read_search(self.root, [*words, *chosen], plugins=installed()), plugins=installed())

    @property
    def values(self):
        return read_current(self.root / "params.yaml").values

    def compose(self, *choices):
        update(self.root, list(choices), plugins=installed(), force=True)

    def prepare(self):
        """What `dvc repro join` does, and DVC's note that it did."""
        for _, stage, field in self._stages():
            params = load_params(self.root / "params.yaml", [key.format(field=field) for key in stage.READS])
            stage.run(params, Paths(self.root), **({} if field is None else {"field": field}))
        self.note()

    def note(self):
        """dvc.lock as if the data had been prepared by params.yaml as it stands, in DVC's own hand."""
        stages = {}
        for name, stage, field in self._stages():
            keys = [key.format(field=field) for key in stage.READS]
            params = load_params(self.root / "params.yaml", keys)
            noted = {key: params.get(key, object) for key in keys}
            stages[name if field is None else f"{name}@{field}"] = {"params": {"params.yaml": noted}}
        (self.root / "dvc.lock").write_text(dumps_yaml({"stages": stages}))

    def _stages(self):
        fields = sorted(self.values["fields"])
        yield "ingest", ingest, None
        for name, stage in (("fit", fit), ("encode", encode), ("features", features)):
            yield from ((name, stage, field) for field in fields)
        yield "join", join, None


def made(root: Path) -> Project:
    """A new one, prepared."""
    for name in ("config.yaml", "data", "training"):
        source = ROOT / "conf" / name
        target = root / "conf" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            target.mkdir()
            for file in source.iterdir():
                (target / file.name).write_bytes(file.read_bytes())
        else:
            target.write_bytes(source.read_bytes())
    (root / "conf" / "experiment").mkdir()
    (root / "conf" / "experiment" / "numbers.yaml").write_text(EXPERIMENT)
    draw = np.random.default_rng(0)
    lines = ["a,b,c,d,kind,split"]
    for number in range(240):
        a, b, c, d = draw.normal(size=4)
        kind = "up" if a * b + 0.3 * draw.normal() > 0 else "down"
        split = ("train", "train", "train", "validation", "test")[number % 5]
        lines.append(f"{a:.4f},{b:.4f},{c:.4f},{d:.4f},{kind},{split}")
    (root / "rows.csv").write_text("\n".join(lines) + "\n")
    here = os.getcwd()
    os.chdir(root)  # the table's path starts at the project, where every command runs
    try:
        project = Project(root)
        project.compose(*CHOICES)
        project.prepare()
    finally:
        os.chdir(here)
    return project
