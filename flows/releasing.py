"""A release, step by step; killed between any two, the next run goes on from there.

    push     the bytes, to DVC's remote if there is one: nothing names them yet
    commit   dvc.lock, parameters, metrics, verdict and model card on a branch of their own
    register `model@v1.2.0`
    assign   `model#prod#7`: from here on it is the model in use
    smoke    the bytes that the pointer gives, fetched and asked as a user would; else the pointer goes back
    publish  branch and tags, to git's remote if params.yaml names one

What is under way stands in a journal from `commit` on. Each step looks first whether it is done.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from flows.branch import CARD, LOOKS, RECORD, Branch, outside, uncommitted
from flows.dvc_errors import reason_of
from flows.journal import Journal, Underway
from flows.judging import Candidate, run_mm
from flows.locks import only_one
from flows.moves import failed_smoke, taken_back
from flows.sharing import Tell, hear, publish
from flows.smoke import SmokeFailed, Unfinished, smoke_test, told_taken_back, told_untested
from mmcore.errors import MmcoreError, SetupError, WrongModel
from mmcore.releases.card import card
from mmcore.releases.contents import inputs_of, outputs_of
from mmcore.releases.fetch import MODEL, digest_in, fetch
from mmcore.releases.git import Git
from mmcore.releases.record import Record, write_record
from mmcore.releases.settings import ReleaseSettings
from mmcore.releases.tags import Version, point, read_registry, register

FILES = ("dvc.lock", "dvc.yaml", "params.yaml", "artifacts/metrics.json")
"""What the branch holds of a release beside the code; as they are now, committed or not."""


class Releaser:
    """Makes releases of one repository and moves its pointer."""

    def __init__(self, root: Path, settings: ReleaseSettings, tell: Tell) -> None:
        self.root, self.settings, self.tell = root, settings, tell
        self.git = Git(root)
        self.branch = Branch(self.git, settings)
        self._journal = Journal(self.git)
        self._unfinished = list[Underway]()
        self._told = set[str]()

    def release(self, record: Record) -> Version:
        """Make the model in artifacts/ a release, and the one in use.

        Raises SetupError where a step fails, or where the record compares with a model that is not in use any more; the
        pointer then names what it named before. Raises SmokeFailed where the released bytes do not answer, Unfinished
        where they cannot be asked.
        """
        with only_one(self.git, "release", wait=True):
            self._mend()
            self.hear()
            self._check_champion(record)
            candidate = Candidate(self.root)
            assert candidate.digest is not None
            self._check_artifact()
            self._push()
            commit, number = self._commit(record, candidate.digest)
            return self._finish(self._underway(commit, number, _why(record)))

    def hear(self) -> None:
        """Of what other machines have released, before a release is numbered or compared with."""
        hear(self.git, self.settings, self._tell_once)

    def publish(self) -> None:
        """Tell other machines."""
        publish(self.git, self.branch, self.settings, self._tell_once)

    def _tell_once(self, line: str) -> None:
        """A remote is asked several times in one run, and what it lacks is the same each time."""
        if line not in self._told:
            self._told.add(line)
            self.tell(line)

    def point_at(self, number: str, *, reason: str) -> Version:
        """Have the pointer name a release that is there already; its bytes have to answer."""
        with only_one(self.git, "release", wait=True):
            self._mend()
            version = read_registry(self.git, self.settings.name).version(number)
            fetch(self.git, version, name=self.settings.name)  # else the pointer would name what nobody can get
            return self._finish(self._underway(version.commit, version.number, reason))

    def mend(self) -> None:
        """End what earlier runs began, under the name and for the pointer that they began it for.

        Raises Unfinished where that cannot be now; another move of the pointer may take its place then.
        """
        if self._journal:
            with only_one(self.git, "release", wait=True):
                self._mend()

    def _mend(self) -> None:
        own: SetupError | None = None
        for underway in self._journal.read(stage=self.settings.stage):
            if underway in self._unfinished:
                continue
            self._unfinished.append(underway)
            settings = replace(self.settings, name=underway.name, stage=underway.stage)
            try:
                Releaser(self.root, settings, self.tell)._go_on(underway)
            except (SmokeFailed, Unfinished) as error:
                if settings == self.settings:
                    own = error
                    continue
                whose = f"release.name is {underway.name} and release.stage {underway.stage}"
                self.tell(f"{error} Such commands act on it where {whose} in params.yaml.")  # no reason to stop for
        if own is not None:
            raise own

    def _go_on(self, underway: Underway) -> None:
        """Unless the pointer was moved since: the release was compared with what it named then."""
        self.hear()
        registry, what = read_registry(self.git, underway.name), f"the release of {underway.name} {underway.number}"
        current = self._current()
        others = [one for one in registry.versions if one.number == underway.number and one.commit != underway.commit]
        if others or current not in (underway.previous, underway.number):
            self._journal.clear(underway.name)
            self.tell(
                f"An earlier run began {what}, while {underway.stage} was {underway.previous or 'nothing'}. That is "
                f"{current or 'nothing'} by now and stays so. `python -m flows.release` shows what there is."
            )
            return
        self.tell(f"Going on with {what}, which was interrupted.")
        self._finish(underway)

    def _underway(self, commit: str, number: str, reason: str) -> Underway:
        """The move that begins now; it goes back to what the pointer named last that had been asked."""
        name, stage, previous = self.settings.name, self.settings.stage, self._current()
        for other in self._journal.read(stage=stage):
            if (other.name, other.stage, other.number) == (name, stage, previous):
                previous = other.previous
        return Underway(name, stage, commit, number, reason, previous)

    def _current(self) -> str | None:
        current = read_registry(self.git, self.settings.name).current(self.settings.stage)
        return None if current is None else current.number

    def _finish(self, underway: Underway) -> Version:
        """From the journal on. Every step may have been taken already."""
        name, stage = self.settings.name, self.settings.stage
        self._journal.write(underway)
        registry = read_registry(self.git, name)
        if underway.number not in [version.number for version in registry.versions]:
            message = f"{name} {underway.number}: {underway.reason}"
            register(self.git, name, underway.number, commit=underway.commit, message=message, now=int(time.time()))
        if self._current() != underway.number:
            self._point(underway.commit, f"{stage} is {underway.number}: {underway.reason}")
        try:
            self.tell("Smoke test: fetching what the pointer gives, and asking it.")
            smoke_test(self.git, underway)
        except WrongModel as error:
            self._back(underway)
            self._journal.clear(name)
            raise SmokeFailed(told_taken_back(underway, error)) from error
        except (MmcoreError, OSError) as error:  # a full disk, bytes that cannot be fetched: no fault of the model
            raise Unfinished(told_untested(underway, error)) from error
        self._journal.clear(name)
        self.publish()
        return read_registry(self.git, name).version(underway.number)

    def _point(self, commit: str, message: str) -> None:
        point(self.git, self.settings.name, self.settings.stage, commit=commit, message=message, now=int(time.time()))

    def _back(self, underway: Underway) -> None:
        """The pointer names again what it named before, or nothing."""
        if underway.previous == underway.number:
            return
        why = failed_smoke(self.settings.stage, underway.number, previous=underway.previous)
        if underway.previous is None:
            point(
                self.git, self.settings.name, self.settings.stage, commit=underway.commit, cancelled=True,
                message=why, now=int(time.time()),
            )  # fmt: skip
            return
        previous = read_registry(self.git, self.settings.name).version(underway.previous)
        self._point(previous.commit, why)

    def _check_champion(self, record: Record) -> None:
        """Raises SetupError where another release came in use since the verdict, here or on another machine."""
        current, compared = read_registry(self.git, self.settings.name).current(self.settings.stage), record["champion"]
        in_use = None if current is None else digest_or_none(self.git, current.commit)
        if in_use == (compared and compared["digest"]):
            return
        raise SetupError(
            f"{self.settings.stage} is {current.number if current else 'nothing'} by now, and the new model was "
            f"compared with {compared['version'] if compared else 'none'}, so nothing was released. The next "
            "`python -m flows.retrain` compares it with what is in use."
        )

    def _check_artifact(self) -> None:
        """Raises SetupError where `dvc artifacts get` would not know the name."""
        known = (yaml.safe_load((self.root / "dvc.yaml").read_text(encoding="utf-8")) or {}).get("artifacts") or {}
        if known.get(self.settings.name, {}).get("path") != MODEL:
            raise SetupError(
                f"dvc.yaml names no artifact {self.settings.name!r} at {MODEL}, which release.name of params.yaml "
                f"asks for. Add it: `artifacts: {{{self.settings.name}: {{path: {MODEL}}}}}`."
            )

    def _push(self) -> None:
        """Raises SetupError with what DVC says where the remote cannot be reached or is full."""
        if not _dvc(self.root, "config", "core.remote").stdout.strip():
            return
        self.tell("Pushing the bytes to DVC's remote.")
        done = _dvc(self.root, "push")
        if done.returncode:
            raise SetupError(
                f"`dvc push` failed, so nothing was released: {reason_of(done)}. The verdict and the new model are "
                "kept; the next run tries again."
            )

    def _commit(self, record: Record, digest: str) -> tuple[str, str]:
        """The commit and the number of the release; those of an earlier try where it came so far."""
        registry = read_registry(self.git, self.settings.name)
        number, tip = registry.next_number(), self.branch.tip
        title = f"Release {self.settings.name} {number}"
        if tip and digest_or_none(self.git, tip) == digest and self.git.run("show", "-s", "--format=%s", tip) == title:
            return tip, number
        code = self.git.commit_of("HEAD")
        if code is None:
            raise SetupError("git has no commit yet, and a release stands on one. `git add -A && git commit` makes it.")
        files = {path: (self.root / path).read_bytes() for path in FILES if (self.root / path).is_file()}
        lock = files["dvc.lock"].decode()
        read = inputs_of(lock)
        elsewhere = outside(self.git, read)
        paths = [path for path in read if path not in elsewhere]
        about = self.root / "artifacts" / "model" / "model.yaml"
        page = card(
            name=self.settings.name, number=number, lock=lock, params=files["params.yaml"].decode(),
            metrics=files["artifacts/metrics.json"].decode() if "artifacts/metrics.json" in files else None,
            about=about.read_text(encoding="utf-8") if about.is_file() else None, record=record, code=code,
            unknown=[*elsewhere, *uncommitted(self.git, paths, kept=outputs_of(lock))],
        )  # fmt: skip
        files |= _pointers(self.root, paths)
        files |= {CARD: page.encode(), RECORD: json.dumps(record, indent=2, sort_keys=True).encode() + b"\n"}
        files |= {LOOKS: self.branch.looks_text().encode()}
        message = f"{title}\n\n{_why(record)}"
        parents = [*([tip] if tip else []), code]
        return self.branch.commit(files, message, tree=code, parents=parents, tracked=paths), number


def _pointers(root: Path, paths: Sequence[str]) -> dict[str, bytes]:
    """The .dvc files of data that DVC tracks among the paths or above them, as they are now."""
    folders = {str(above) for path in paths for above in (Path(path), *Path(path).parents)} - {"."}
    found = [Path(f"{folder}.dvc") for folder in sorted(folders)]
    return {path.as_posix(): (root / path).read_bytes() for path in found if (root / path).is_file()}


def digest_or_none(git: Git, commit: str) -> str | None:
    """The digest of the model in a commit's dvc.lock."""
    try:
        return digest_in(git, commit)
    except MmcoreError:
        return None


def was_taken_back(git: Git, settings: ReleaseSettings, digest: str) -> Version | None:
    """A release with these bytes that is out of use by a roll back, or by its smoke test."""
    named = taken_back(read_registry(git, settings.name), settings.stage)
    return next((version for version in named if digest_or_none(git, version.commit) == digest), None)


def settle(root: Path, record: Record, settings: ReleaseSettings, version: Version) -> None:
    """Write into verdict.json and its page what came of it."""
    record["release"] = {"version": version.number, "commit": version.commit, "stage": settings.stage}
    write_record(root, record)
    run_mm("stage", "verdict")


def _why(record: Record) -> str:
    if record["forced"]:
        by, reason = record["forced"]["by"], record["forced"]["reason"]
        return f"released against the verdict {record['verdict']} by {by}: {reason}"
    return str(record["reasons"][0]) if record["reasons"] else str(record["verdict"])


def _dvc(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
