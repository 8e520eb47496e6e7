"""A project whose model is a number in a file: everything of a retraining but the judging, which needs torch."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo.artifacts import Artifacts

import flows.judging
import flows.releasing
import flows.retrain
import flows.smoke
import mmcore.releases.fetch
from flows.releasing import Releaser
from flows.settings import release_settings
from mmcore.errors import WrongModel
from mmcore.releases.git import Git
from mmcore.releases.record import empty, read_record, write_record
from mmcore.releases.tags import read_registry

PARAMS = {"training": {"monitor": "t/m"}, "release": {"enabled": True}, "fields": {}}
METRIC = "t/m"
MODEL = {
    "cmd": "mkdir -p artifacts/model && cp in.txt artifacts/model/value && cp in.txt artifacts/manifest.parquet"
    ' && python -c \'print(open("in.txt").read().join(["{\\"n\\": 1, \\"t/m\\": ", "}"]))\' > artifacts/metrics.json',
    "deps": ["in.txt"],
    "outs": ["artifacts/model", "artifacts/manifest.parquet"],
    "metrics": [{"artifacts/metrics.json": {"cache": False}}],
}


def judged(root):
    """Stands for `mm stage judge`: the larger number is the better model."""
    asked = json.loads((root / ".mm" / "judge.json").read_text())
    record = empty(asked["now"], champion=asked["champion"], digest=asked["digest"], data=asked["data"], metric=METRIC)
    record["question"] = asked["question"]
    new = float((root / "artifacts/model/value").read_text())
    if asked["champion"] is None:
        record |= {"verdict": "PROMOTE", "reasons": ["It is the first."]}
    else:
        old = float((Path(asked["folder"]) / "value").read_text())
        verdict = "PROMOTE" if new > old else "HOLD" if new == old else "REJECT"
        record |= {"verdict": verdict, "reasons": [f"{new} against {old}"], "chance": {"new": True}}
        record["look"] = {
            "when": asked["now"], "champion": asked["champion"]["digest"], "challenger": asked["digest"],
            "rows": "rows", "n": 1, "metric": METRIC, "gain": new - old, "spent": 0.0001, "verdict": verdict,
            "data": asked["data"], "question": asked["question"],
        }  # fmt: skip
    write_record(root, record)


class Toy:
    """The project with what its tests ask of it."""

    def __init__(self, project):
        self.project, self.root, self.git = project, project.root, Git(project.root)
        self.asked = []
        """The commands of `mm` that were run."""
        self.broken = set()
        """Values of models that do not answer."""

    def mm(self, *arguments):
        """Stands for the program `mm`."""
        self.asked.append(arguments[:2])
        if arguments == ("stage", "judge"):
            judged(self.root)
        elif arguments[0] == "smoke":
            value = (Path(arguments[1]) / "value").read_text().strip()
            if value in self.broken:
                raise WrongModel("It does not answer.")
        elif arguments != ("stage", "verdict"):
            raise AssertionError(arguments)

    def data(self, value):
        """New data, of which a model of this value comes."""
        self.project.write("in.txt", f"{value}\n")

    def retrain(self, release=True, **options):
        """In this process; the exit code."""
        given = {"jobs": 1, "force": False, "as_json": False, "wait": False, **options}
        return flows.retrain.retrain(self.root, release=release, **given)

    def until_killed(self, step, before=True):
        """Retrain in a process that is ended by SIGKILL where `step` (MODULE.NAME) is called, or has just returned."""
        child = os.fork()
        if child == 0:
            try:
                _kill_at(step, before=before)
                self.retrain()
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"it never came to {step}"
        assert os.WTERMSIG(status) == signal.SIGKILL

    def releaser(self):
        return Releaser(self.root, release_settings(self.root), lambda _: None)

    def registry(self):
        return read_registry(self.git, "model")

    def in_use(self):
        current = self.registry().current("prod")
        return None if current is None else current.number

    def looks(self):
        return self.releaser().branch.looks()

    def record(self):
        return read_record(self.root)

    def commit(self, message="more"):
        """As a person does."""
        self.git.run("add", "-A")
        self.git.run("-c", "user.name=person", "-c", "user.email=person@example.org", "commit", "-qm", message)

    def fetched(self, **which):
        """The value in the bytes that `dvc artifacts get` gives a user."""
        target = self.root.parent / f"got-{len(list(self.root.parent.iterdir()))}"
        get_here(self.git, target, name="model", **which)
        return (target / "value").read_text().strip()

    def remote(self):
        """A DVC remote in a folder; returns the folder."""
        folder = self.root.parent / "remote"
        (self.root / ".dvc" / "config").write_text(
            f"[core]\n    remote = far\n['remote \"far\"']\n    url = {folder}\n"
        )
        return folder


def get_here(_, target, *, name, version=None, stage=None):
    """`dvc artifacts get` in this process: a process of its own takes seconds to start."""
    Artifacts.get(".", name, version=version, stage=stage, out=str(target))


def without_remote(root, *arguments):
    """`dvc config core.remote` where there is none."""
    assert arguments == ("config", "core.remote")
    return subprocess.CompletedProcess(arguments, 251, "", "")


def _kill_at(step, *, before):
    module, name = step.rsplit(".", 1)
    owner = sys.modules.get(module)
    if owner is None:  # MODULE.CLASS
        module, kind = module.rsplit(".", 1)
        owner = getattr(sys.modules[module], kind)
    real = getattr(owner, name)

    def killed(*arguments, **named):
        if before:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)


@pytest.fixture
def toy(project, monkeypatch):
    """Its first commit is made; no model is in use. DVC runs its stages, without Prefect."""
    made = Toy(project)
    monkeypatch.setenv("DVC_STUDIO_OFFLINE", "1")
    for module in (flows.smoke, mmcore.releases.fetch):
        monkeypatch.setattr(module, "get", get_here)
    monkeypatch.setattr(flows.releasing, "_dvc", without_remote)
    for module in (flows.judging, flows.releasing, flows.smoke):
        monkeypatch.setattr(module, "run_mm", made.mm)
    monkeypatch.setattr(flows.retrain, "bring_up_to_date", lambda **_: project.reproduce() and [])
    project.write("params.yaml", yaml.safe_dump(PARAMS))
    project.write(".gitignore", "/artifacts/*\n!/artifacts/metrics.json\n/.mm\n")
    project.write(
        "dvc.yaml", yaml.safe_dump({"stages": {"train": MODEL}, "artifacts": {"model": {"path": "artifacts/model"}}})
    )
    made.data(1)
    made.commit("start")
    return made


@pytest.fixture(scope="session")
def _kept(tmp_path_factory):
    return tmp_path_factory.mktemp("released") / "project"


@pytest.fixture
def released(toy, _kept):
    """With v1.0.0 in use, whose value is 1; made once."""
    if not _kept.exists():
        assert toy.retrain() == 0
        subprocess.run(["cp", "-r", str(toy.root), str(_kept)], check=True)
    else:
        subprocess.run(["cp", "-r", f"{_kept}/.", str(toy.root)], check=True)
        (toy.root / ".dvc" / "tmp" / "btime").unlink(missing_ok=True)
    assert toy.in_use() == "v1.0.0"
    toy.asked.clear()
    return toy


@pytest.fixture
def real_dvc(toy, monkeypatch):
    """DVC as processes of its own, as in use."""
    monkeypatch.undo()
    monkeypatch.chdir(toy.root)
    for module in (flows.judging, flows.releasing, flows.smoke):
        monkeypatch.setattr(module, "run_mm", toy.mm)
    monkeypatch.setattr(flows.retrain, "bring_up_to_date", lambda **_: toy.project.reproduce() and [])
