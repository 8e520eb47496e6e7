"""A machine with a GPU and nothing else: training and use need no Prefect, DVC, Hydra or Optuna."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BLOCKED = """
import sys
GONE = {"prefect", "dvc", "hydra", "omegaconf", "optuna", "gto", "fastapi", "sqlalchemy"}

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Gone())
"""
IMPORTS = """
import importlib, pkgutil
for part in ("data", "model", "training", "evaluation", "runtime", "predictor", "interfaces", "layers", "registry"):
    for module in pkgutil.walk_packages(importlib.import_module(f"mmcore.{part}").__path__, f"mmcore.{part}."):
        importlib.import_module(module.name)
for stage in ("encode", "features", "join", "train", "pretrain", "floors", "evaluate"):
    importlib.import_module(f"mmcore.stages.{stage}")
from mmcore.registry.plugins import GROUPS, installed
wrong = [row for kind in GROUPS for row in installed().kind(kind).rows() if row.error is not None]
assert not wrong, wrong
"""
TRAINS = """
from pathlib import Path
from tests.training import toy
toy.run(Path(sys.argv[1]), toy.settings(epochs=1, checkpoint_every_s=1e9))
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=200
    )


@pytest.mark.slow  # imports every plugin, transformers and timm among them
def test_everything_that_trains_imports_and_runs_without_what_plans_and_schedules(tmp_path: Path) -> None:
    done = run(IMPORTS + TRAINS + "print('trained')", str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "trained"


def test_the_test_sees_who_needs_them() -> None:
    assert "No module named 'prefect'" in run("import prefect").stderr
    assert "No module named 'hydra'" in run("import mmcore.config.compose").stderr
