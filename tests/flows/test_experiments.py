"""What docs/scheduling.md says of experiments, typed as it stands there, beside what our own pipeline left."""

import json
import subprocess
import sys
from contextlib import closing

import pytest

from flows.graph import Graph
from flows.outcome import Status
from flows.stop import Stop

TRAIN = """
import json, pathlib, yaml
rate = yaml.safe_load(open("params.yaml"))["training"]["lr"]
pathlib.Path("metrics.json").write_text(json.dumps({"answer/accuracy": rate / 10}))
pathlib.Path("learning.csv").write_text("epoch,loss\\n" + "".join(f"{e},{rate / e}\\n" for e in (1, 2)))
"""


@pytest.fixture
def trained(project):
    """A project that our pipeline brought up to date, all of it committed."""
    project.write("params.yaml", "training:\n  lr: 1\n")
    project.write("train.py", TRAIN)
    project.write(".gitignore", "/data\n/learning.csv\n/plots\n")
    project.stages(
        prepare={"cmd": "cp in.txt data", "deps": ["in.txt"], "outs": ["data"]},
        train={
            "cmd": "python train.py",
            "deps": ["data", "train.py"],
            "params": ["training.lr"],
            "metrics": [{"metrics.json": {"cache": False}}],
            "plots": [{"learning.csv": {"x": "epoch", "y": "loss"}}],
        },
    )
    with closing(Graph()) as graph:
        assert {graph.run(name, lambda _: None, stop=Stop()).status for name in graph.needs} == {Status.RAN}
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "trained")
    return project


def git(project, *arguments):
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
    subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)


def dvc(project, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=project.root, env=project.environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow  # five processes of dvc
def test_experiments_run_compare_and_leave_nothing_to_do(trained):
    told = dvc(trained, "exp", "run", "-S", "training.lr=2", "--name", "twice")
    assert "Stage 'prepare' didn't change, skipping" in told
    shown = json.loads(dvc(trained, "exp", "show", "--json"))
    names = [experiment["name"] for commit in shown for experiment in commit["experiments"] or ()]
    assert names == ["twice"]
    scores = json.loads(dvc(trained, "metrics", "diff", "--json"))["metrics.json"]["answer/accuracy"]
    assert scores == {"old": 0.1, "new": 0.2, "diff": 0.1}
    dvc(trained, "plots", "diff", "HEAD", "-o", "plots")
    page = (trained.root / "plots" / "index.html").read_text()
    assert "workspace" in page
    assert "loss" in page
    with closing(Graph()) as graph:
        assert graph.stale() == []
