"""The chain with real models: judged, released, smoke tested, asked and rolled back by the programs that users have."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import flows.judging
import flows.release
import flows.releasing
import flows.smoke
from mmcore.releases.contents import digest_of
from tests.stages import table

SPREAD = {"spread": {"label/accuracy": {"runs": 12, "deviation": 0.003}}}
KEPT = ("manifest.parquet", "quarantine.jsonl", "metrics.json", "predictions.parquet", "model", "spread")
QUESTION = 'x={"x": 1.5}'
WEAK = {"monitor": "label/accuracy", "epochs": 1, "batch_size": 200, "lr": 0.0001, "threads": 1}


@pytest.fixture
def real(toy, monkeypatch):
    """The toy's repository, whose stage takes over what was trained beside it: `weak` or `good`."""
    made = toy.root.parent / "made"
    for name, training in (("weak", {"training": WEAK}), ("good", {})):
        settings, paths = table.trained(made, table.rows(400), **training)
        paths.spread("seeds").parent.mkdir(exist_ok=True)
        paths.spread("seeds").with_suffix(".json").write_text(json.dumps(SPREAD))
        shutil.copytree(made / "artifacts", toy.root / name)
    values = {**settings.values, "repeats": {"summary": {"seeds": ["seed-1"]}}, "release": {"enabled": True}}
    toy.project.write("params.yaml", yaml.safe_dump(values))
    stage = {
        "cmd": "mkdir -p artifacts && cp -r $(cat in.txt)/* artifacts/",
        "deps": ["in.txt"],
        "outs": [f"artifacts/{name}" for name in KEPT if name != "metrics.json"],
        "metrics": [{"artifacts/metrics.json": {"cache": False}}],
    }
    artifacts = {"model": {"path": "artifacts/model"}}
    toy.project.write("dvc.yaml", yaml.safe_dump({"stages": {"train": stage}, "artifacts": artifacts}))
    toy.project.write(".gitignore", "/artifacts/*\n!/artifacts/metrics.json\n/.mm\n/weak\n/good\n")
    for module in (flows.judging, flows.releasing, flows.smoke):
        monkeypatch.setattr(module, "run_mm", _run_mm)
    return toy


_run_mm = flows.judging.run_mm


def mm(*arguments):
    """The program in the working folder; what it prints."""
    command = [str(Path(sys.executable).with_name("mm")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow  # every program imports torch
@pytest.mark.timeout(900)
def test_a_better_model_is_judged_released_tested_asked_and_rolled_back(real, monkeypatch, capfd):
    real.data("weak")
    assert real.retrain() == 0, capfd.readouterr().err
    assert real.in_use() == "v1.0.0", real.record()["reasons"]
    weak = mm("predict", "prod", "--field", QUESTION, "--json")
    real.data("good")
    assert real.retrain() == 0, capfd.readouterr().err
    record = real.record()
    assert record["verdict"] == "PROMOTE", record["reasons"]
    assert record["release"]["version"] == real.in_use() == "v1.1.0"
    assert record["chance"]["by"] in ("rows", "trainings")
    assert "answers 8 rows, as when it was judged." in capfd.readouterr().err
    good = mm("predict", "prod", "--field", QUESTION, "--json")
    assert good != weak
    assert "label/accuracy" in mm("compare", "v1.0.0", "prod")
    monkeypatch.setattr(sys, "argv", ["release", "rollback"])
    assert flows.release.main() == 0
    assert mm("predict", "prod", "--field", QUESTION, "--json") == weak
    released = {path.name for path in (real.root / ".mm" / "released").iterdir()}
    assert digest_of(real.root / "weak" / "model").removesuffix(".dir") in released
    assert "Released as v1.1.0" in (real.root / "artifacts" / "verdict.html").read_text()
