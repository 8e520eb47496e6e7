"""The bytes of a release, as anyone gets them: `dvc artifacts get`, held against the digest in its dvc.lock."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from mmcore.errors import ArtifactError, ConfigError, SetupError, WrongModel, listing
from mmcore.releases.contents import damaged_in, digest_of, outputs_of
from mmcore.releases.git import Git
from mmcore.releases.tags import Version, read_registry

MODEL = "artifacts/model"
KEPT = 3
"""Releases that lie unpacked under .mm/released, the last used ones."""


def digest_in(git: Git, commit: str, path: str = MODEL) -> str:
    """The digest of an output in a commit's dvc.lock. Raises ArtifactError where it has none."""
    found = outputs_of(git.file(commit, "dvc.lock") or "").get(path)
    if found is None:
        raise ArtifactError(f"The dvc.lock of commit {commit[:12]} has no {path}: it is no release.")
    return found


def named(git: Git, word: str, *, name: str = "model") -> Version:
    """What `prod`, `v1.2.0` or `model@v1.2.0` means. Raises ConfigError where it means nothing here."""
    registry = read_registry(git, name)
    stages = sorted({pointer.stage for pointer in registry.pointers})
    if word in stages:
        current = registry.current(word)
        if current is None:
            raise ConfigError(
                f"The pointer {word!r} of {name} names no release. Set it: python -m flows.release promote VERSION."
            )
        return current
    if not registry.versions:
        raise ConfigError(
            f"{word!r} is no model folder, and this repository has no releases. The folder is artifacts/model; "
            "`python -m flows.retrain --release` makes a release."
        )
    if word.lstrip("v")[:1].isdigit() or word.startswith(f"{name}@"):
        return registry.version(word.removeprefix(f"{name}@"))
    versions = [version.number for version in registry.versions]
    raise ConfigError(
        f"{word!r} is no model folder and no release. Pointers: {listing(stages)}. Releases: {listing(versions)}."
    )


def fetch(git: Git, version: Version, *, name: str = "model") -> Path:
    """The release's folder under .mm/released, fetched where it is not there yet, and whole.

    Raises SetupError where DVC cannot get it, WrongModel where its bytes are not those that were released.
    """
    digest = digest_in(git, version.commit)
    folder = unpacked(git.root, digest)
    if not folder.is_dir() or digest_of(folder) != digest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="part-") as part:
            got = Path(part) / "model"
            get(git, got, name=name, version=version.number)
            check_contents(git, got, digest, what=f"{name}@{version.number}")
            os.rename(got, folder)
    with suppress(OSError):  # a clone that only others may write to: then it is for them to forget
        os.utime(folder)
        _forget(folder.parent)
    return folder


def unpacked(root: Path, digest: str) -> Path:
    """Where a release of this digest lies once it was fetched."""
    return root / ".mm" / "released" / digest.removesuffix(".dir")


def get(git: Git, target: Path, *, name: str, version: str | None = None, stage: str | None = None) -> None:
    """`dvc artifacts get` of a version or of what a pointer names. Raises SetupError with what DVC says."""
    which = ["--rev", version] if version is not None else ["--stage", str(stage)]
    command = [sys.executable, "-m", "dvc", "artifacts", "get", ".", name, *which, "--out", str(target.resolve())]
    try:
        done = subprocess.run(
            command, cwd=git.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env={**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_STUDIO_OFFLINE": "1"},
        )  # fmt: skip
    except OSError as error:
        raise SetupError(f"`dvc artifacts get` cannot be run: {error}.") from error
    if done.returncode or not target.exists():
        raise SetupError(f"`dvc artifacts get . {name} {' '.join(which)}` failed: {_last_words(done.stderr)}")


def check_contents(git: Git, folder: Path, digest: str, *, what: str) -> None:
    """Raise WrongModel where a folder that was got is not the one that dvc.lock means."""
    found = digest_of(folder)
    if found != digest:
        damaged = ", ".join(map(str, damaged_in(_cache_of(git), folder, digest)))
        # DVC trusts what is read-only in its cache: `dvc pull` would find everything up to date.
        again = f"Delete {damaged}; `dvc fetch --all-tags {MODEL}` then has it again from DVC's remote."
        raise WrongModel(
            f"{what} should have the digest {digest} but has {found}: its bytes are damaged. "
            + (again if damaged else "Those in DVC's cache are not, so start again.")
        )


def _cache_of(git: Git) -> Path:
    """Where DVC keeps bytes, as it says itself: its settings may lie in four places."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    done = subprocess.run(command, cwd=git.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return Path(done.stdout.strip() or git.root / ".dvc" / "cache")


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return " ".join(errors or lines[-3:]) or "it does not say why. Is DVC installed (make install)?"


def _forget(folder: Path) -> None:
    """Releases that were used long ago go."""
    kept = sorted(
        (path for path in folder.iterdir() if not path.name.startswith("part-")), key=lambda path: path.stat().st_mtime
    )
    for path in kept[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
