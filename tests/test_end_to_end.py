"""The whole way in a clone of its own: rows to report, twice the same, and nothing run that need not be."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import warm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # some hundred stages

ROOT = Path(__file__).parents[1]
SMALL = ["data.limit=400", "training.epochs=1", "floors.epochs=1", "training.threads=1", "evaluation.resamples=50"]
NOT_STABLE = {"timings.json", "report.html"}


class Clone:
    """A copy of the tracked files with git and DVC of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.programs = root.parent / "programs"

    @classmethod
    @contextmanager
    def fresh(cls, root: Path) -> Iterator["Clone"]:
        """Its programs start quickly inside: see tests/warm.py."""
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        clone = cls(root)
        with warm.programs(clone.programs, clone.environment()):
            clone.git("init", "-q")
            if not (root / ".dvc").exists():
                clone.run("dvc", "init", "-q")
            clone.mm("compose", "--force", "experiment=easy_vqa", *SMALL)
            clone.git("add", "-A")
            clone.git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "start")
            yield clone

    def environment(self) -> dict[str, str]:
        """This environment, with the clone's own code in front."""
        path = os.pathsep.join([str(self.programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        code = os.pathsep.join(map(str, [self.root, *sorted((self.root / "plugins").iterdir())]))  # the clone's own
        quiet = {"DVC_NO_ANALYTICS": "1", "PATH": path, "PYTHONPATH": code, "OMP_NUM_THREADS": "1"}
        return {**os.environ, **quiet}

    def run(self, *command: str) -> str:
        """A program of this environment, in the clone."""
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, env=self.environment())
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def mm(self, *arguments: str) -> str:
        return self.run("mm", *arguments)

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments)

    def repro(self) -> str:
        return self.run("dvc", "repro")

    def changed(self) -> set[str]:
        """The stages that `dvc repro` would look at first."""
        return set(json.loads(self.run("dvc", "status", "--json")))

    def digests(self) -> dict[str, str]:
        """Every artifact that promises to be the same bytes."""
        found = self.root / "artifacts"
        files = [path for path in found.rglob("*") if path.is_file() and path.name not in NOT_STABLE]
        return {str(path.relative_to(found)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    with Clone.fresh(tmp_path_factory.mktemp("clone") / "root") as made:
        made.repro()
        yield made


def test_everything_is_there_and_a_second_time_nothing_is_done(clone: Clone) -> None:
    metrics = json.loads((clone.root / "artifacts" / "metrics.json").read_text())
    assert 0 <= metrics["answer/accuracy/low"] <= metrics["answer/accuracy"] <= metrics["answer/accuracy/high"] <= 1
    assert {"answer/accuracy/floor/majority", "answer/accuracy/floor/question", "answer/accuracy/without/image"} <= set(
        metrics
    )
    assert (clone.root / "artifacts" / "report.html").stat().st_size > 10_000
    assert "Running stage" not in clone.repro()
    assert clone.changed() == set()


def test_a_fresh_clone_gives_the_same_bytes(clone: Clone, tmp_path: Path) -> None:
    with Clone.fresh(tmp_path / "other" / "root") as other:
        other.repro()
        assert other.digests() == clone.digests()


def test_seeds_and_folds_run_beside_the_model_that_is_kept(clone: Clone) -> None:
    before, params = clone.digests(), (clone.root / "params.yaml").read_text()
    clone.mm("compose", "experiment=easy_vqa", *SMALL, "repeats.seeds=2", "repeats.folds=2", "repeats.stratify=answer")
    clone.repro()
    after = clone.digests()
    assert "Running stage" not in clone.repro()
    (clone.root / "params.yaml").write_text(params)
    assert before.items() <= after.items()
    repeats = clone.root / "artifacts" / "repeats"
    assert {path.name for path in repeats.iterdir()} == {"seed-1", "fold-1", "fold-2"}
    kept, other = (json.loads(path.read_text()) for path in (
        clone.root / "artifacts" / "metrics.json", repeats / "seed-1" / "metrics.json"
    ))  # fmt: skip
    assert kept["n"] == other["n"]
    assert kept["answer/cross_entropy"] != other["answer/cross_entropy"]
    spread = json.loads((clone.root / "artifacts" / "spread" / "seeds.json").read_text())["spread"]
    assert spread["answer/accuracy"]["mean"] == pytest.approx((kept["answer/accuracy"] + other["answer/accuracy"]) / 2)
    judged = [json.loads((repeats / name / "metrics.json").read_text())["n"] for name in ("fold-1", "fold-2")]
    assert sum(judged) == kept["rows/train"] + kept["rows/validation"]
    assert not list((clone.root / ".mm" / "repeats").iterdir())


def test_a_first_training_is_a_stage_that_the_training_goes_on_from(clone: Clone) -> None:
    params, floors = clone.root / "params.yaml", clone.root / "artifacts" / "floors.json"
    before, judged = params.read_text(), floors.read_bytes()
    choices = ["experiment=easy_vqa", *SMALL, "pretrain.training={lr: 0.01, freeze: {encoders: 1}}"]
    clone.mm("compose", *choices)
    ran, again = clone.repro(), clone.repro()
    clone.mm("compose", *choices, "training.lr=0.003")
    changed = clone.changed()
    params.write_text(before)
    assert ran.index("Running stage 'pretrain@first'") < ran.index("Running stage 'train'")
    assert "Running stage" not in again
    assert floors.read_bytes() == judged
    assert "train" in changed
    assert "pretrain@first" not in changed  # it has a learning rate of its own
    assert "Running stage 'train'" not in clone.repro()  # the model without a first training comes back


def test_a_learning_rate_runs_the_training_and_nothing_before_it(clone: Clone) -> None:
    before = (clone.root / "params.yaml").read_text()
    clone.mm("compose", "experiment=easy_vqa", *SMALL, "training.lr=0.001")
    changed = clone.changed()
    (clone.root / "params.yaml").write_text(before)
    assert "train" in changed
    assert not [name for name in changed if name.split("@")[0] in ("ingest", "fit", "encode", "features", "join")]


@pytest.mark.parametrize(
    ("file", "runs"),
    [
        ("plugins/mm-fusion/README.md", set()),
        ("plugins/mm-fusion/tests/test_contract.py", set()),
        ("plugins/mm-fusion/mm_fusion/film.py", {"train", "floors", "evaluate"}),
        ("plugins/mm-image/mm_image/cnn.py", {"train", "floors", "evaluate"}),
    ],
)
def test_an_edit_runs_what_it_can_change(clone: Clone, file: str, runs: set[str]) -> None:
    path = clone.root / file
    before = path.read_bytes()
    path.write_bytes(before + b"\n# changed\n")
    changed = {name.split("@")[0] for name in clone.changed()} - {"features"}
    path.write_bytes(before)
    assert changed == runs


def test_taking_a_field_away_and_back_gives_the_right_model_each_time(clone: Clone) -> None:
    both, params = clone.digests(), (clone.root / "params.yaml").read_text()
    clone.mm("compose", "experiment=easy_vqa", *SMALL, "fields={question: text/rnn, answer: category}", "fusion=concat")
    clone.repro()
    alone = clone.digests()
    metrics = json.loads((clone.root / "artifacts" / "metrics.json").read_text())
    assert alone["model/model.safetensors"] != both["model/model.safetensors"]
    assert "answer/accuracy/without/image" not in metrics
    (clone.root / "params.yaml").write_text(params)
    clone.repro()
    assert clone.digests() == both


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_training_goes_on_to_the_same_bytes(clone: Clone, number: signal.Signals, code: int) -> None:
    params, model = clone.root / "params.yaml", clone.root / "artifacts" / "model" / "model.safetensors"
    before, whole = params.read_text(), model.read_bytes()
    params.write_text(before.replace("checkpoint_every_s: 30.0", "checkpoint_every_s: 0.0"))
    train = [str(Path(sys.executable).with_name("mm")), "stage", "train"]
    process = subprocess.Popen(train, cwd=clone.root, env=clone.environment(), stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list((clone.root / ".mm" / "training").glob("*/step-*")):
        time.sleep(0.01)
    process.send_signal(number)
    _, told = process.communicate(timeout=200)
    assert process.returncode == code
    assert number == signal.SIGKILL or "Start again: the training goes on from there." in told
    assert list((clone.root / ".mm" / "training").glob("*/step-*"))
    clone.mm("stage", "train")
    params.write_text(before)
    assert model.read_bytes() == whole
    assert not list((clone.root / ".mm" / "training").glob("*/step-*"))
