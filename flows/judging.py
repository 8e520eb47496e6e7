"""The new model beside the one in use: who is compared with whom, and what is known already."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from flows.branch import Branch
from flows.environment import for_stages
from flows.exits import MENDABLE, WRONG, CommandFailed
from flows.lifeline import Lifeline
from flows.settings import what_decides
from mmcore.config.pretrain import CHAMPION
from mmcore.errors import SetupError, WrongModel
from mmcore.releases.contents import digest_of, outputs_of
from mmcore.releases.fetch import MODEL, digest_in, fetch
from mmcore.releases.git import Git
from mmcore.releases.looks import Look, earlier
from mmcore.releases.record import VERDICT, Record, is_of, read_record
from mmcore.releases.settings import ReleaseSettings
from mmcore.releases.tags import Version, read_registry

DATA = "artifacts/manifest.parquet"
SEEDS = "artifacts/spread/seeds.json"
NONE = "none"
SAID = "mm: "
"""How a line begins that `mm` says itself."""


class Candidate:
    """The model that the last pipeline run made."""

    def __init__(self, root: Path) -> None:
        lock = root / "dvc.lock"
        outputs = outputs_of(lock.read_text(encoding="utf-8")) if lock.exists() else {}
        self.digest = outputs.get(MODEL)
        """None where no stage makes a model."""
        self.data = outputs.get(DATA, "")
        decides = what_decides(root)
        spread = outputs.get(SEEDS) if decides["seeds"] else None  # else it is of a run that asked for seeds
        text = json.dumps([decides, spread], sort_keys=True)
        self.question = hashlib.sha256(text.encode()).hexdigest()[:24]
        """What a verdict on it hangs on besides the models and the data."""


def champion_of(git: Git, settings: ReleaseSettings) -> Version | None:
    """The release that the pointer names; None where there is none."""
    return read_registry(git, settings.name).current(settings.stage)


def provide_champion(root: Path, git: Git, settings: ReleaseSettings) -> None:
    """Put the model in use where a training that starts from it looks; where there is none, a folder that says so."""
    target, champion = root / CHAMPION, champion_of(git, settings)
    wanted = None if champion is None else digest_in(git, champion.commit)
    if target.is_dir() and digest_of(target) == (wanted or digest_of(target)) and (wanted or (target / NONE).exists()):
        return
    shutil.rmtree(target, ignore_errors=True)
    if champion is None:
        target.mkdir(parents=True)
        (target / NONE).write_text("No model is in use: the training starts from nothing.\n", encoding="utf-8")
        return
    shutil.copytree(fetch(git, champion, name=settings.name), target)


def known_verdict(root: Path, candidate: Candidate, champion: str | None) -> Record | None:
    """The verdict on these models and this data, asked in the same way, where it was given and lies in artifacts/."""
    record = read_record(root)
    assert candidate.digest is not None
    if record is None or not is_of(record, champion=champion, challenger=candidate.digest):
        return None
    same = (record["data"], record.get("question")) == (candidate.data, candidate.question)
    return record if same else None


def judged_before(branch: Branch, candidate: Candidate, champion: str) -> Look | None:
    """The look that asked the same of these, perhaps from another worktree, whose artifacts/ we do not have."""
    key = (champion, candidate.digest, candidate.data, candidate.question)
    looks = branch.looks()
    return next((one for one in looks if (one.champion, one.challenger, one.data, one.question) == key), None)


def judge(root: Path, git: Git, branch: Branch, settings: ReleaseSettings, candidate: Candidate) -> Record:
    """Run the comparison and give the verdict.

    Raises SetupError where the bytes of the model in use cannot be had.
    """
    champion = champion_of(git, settings)
    about, folder = None, None
    if champion is not None:
        folder = str(fetch(git, champion, name=settings.name))
        digest = digest_in(git, champion.commit)
        about = {"version": champion.number, "commit": champion.commit, "digest": digest}
    asked = {
        "now": datetime.now(UTC).isoformat(timespec="seconds"), "digest": candidate.digest, "data": candidate.data,
        "question": candidate.question, "champion": about, "folder": folder, "looks": branch.looks_text(),
    }  # fmt: skip
    path = root / ".mm" / "judge.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asked), encoding="utf-8")
    run_mm("stage", "judge")
    record = read_record(root)
    assert record is not None, f"`mm stage judge` wrote no {VERDICT}"
    return record


def write_down(record: Record, branch: Branch) -> bool:
    """The look of a verdict, if it was none before; killed in between, the next run does so. Whether it was none."""
    if record.get("look") is None:
        return False
    look = Look(**record["look"])
    if earlier(branch.looks(), look.asked) is not None:
        return False
    branch.looked(look)
    return True


def run_mm(*arguments: str) -> None:
    """A command of `mm` in the working folder that ends with us; what it says goes to stderr.

    Raises SetupError where it says that the user can mend it, WrongModel where `mm smoke` says that the model is at
    fault, CommandFailed otherwise.
    """
    lifeline = Lifeline()
    try:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("mm")), *arguments],
            env={**os.environ, **for_stages(), **lifeline.environment},
            pass_fds=(lifeline.descriptor,),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        lifeline.close()
    told = done.stderr.strip()
    if done.returncode == 0:
        for line in told.splitlines():
            if line.startswith(SAID):  # a warning of ours, and nothing that a library mutters
                print(line, file=sys.stderr)
        return
    if done.returncode == MENDABLE:
        raise SetupError(told.removeprefix(SAID))
    if done.returncode == WRONG and arguments[0] == "smoke":
        raise WrongModel(told.removeprefix(SAID))
    raise CommandFailed(
        f"`mm {' '.join(arguments)}` {_ended(done.returncode)}" + (f":\n{told[-2000:]}" if told else ".")
    )


def _ended(code: int) -> str:
    """In words; negative where a signal ended it."""
    if code >= 0:
        return f"ended with {code}"
    name = signal.Signals(-code).name
    return f"was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
