"""New data: what was imported from elsewhere is fetched anew; rows and files that grew in place need nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from flows.dvc_errors import reason_of
from flows.sharing import Tell
from mmcore.errors import SetupError
from mmcore.releases.git import Git

LIMIT_H = 12.0  # long enough for large data on a slow line: whether any comes DVC does not say where nobody watches


def imports_of(git: Git) -> list[str]:
    """The .dvc files of `dvc import` and `dvc import-url`, committed or not."""
    listed = git.lines("ls-files", "--cached", "--others", "--exclude-standard", "--", "*.dvc")
    return sorted(path for path in listed if _is_import(git.root / path))


def update_imports(root: Path, git: Git, *, tell: Tell) -> list[str]:
    """Run `dvc update` on every import, and tell which before. Returns those that changed.

    Raises SetupError with what DVC says where a source cannot be reached, or does not answer: training on old data
    would look as if there were no new.
    """
    paths = imports_of(git)
    if not paths:
        return []
    for path in paths:
        _check_source(root, path)
    tell(f"Looking for new data where it was imported from: {', '.join(paths)}.")
    before = {path: (root / path).read_bytes() for path in paths}
    command = f"dvc update {' '.join(paths)}"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "update", *paths], cwd=root, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=LIMIT_H * 3600,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"`{command}` was given up after {LIMIT_H:g} h, so whether there is new data is not known. See whether its "
            "sources answer; by hand it may take as long as it likes."
        ) from error
    if done.returncode:
        raise SetupError(f"`{command}` failed, so whether there is new data is not known: {reason_of(done)}")
    return [path for path in paths if (root / path).read_bytes() != before[path]]


def _check_source(root: Path, path: str) -> None:
    """Raises SetupError where a source that is named by the way to it from here is not there."""
    about = _read(root / path)
    for dependency in about["deps"]:
        place = str(dependency.get("path", ""))
        if "repo" in dependency or "://" in place or Path(place).is_absolute():
            continue
        source = (root / path).parent / about.get("wdir", ".") / place
        if not source.exists():
            raise SetupError(
                f"{path} imports {place}, and there is no {os.path.abspath(source)}. A run by the clock works in a "
                "folder of its own, from which a relative path leads elsewhere: name the source by its whole path, "
                f"`dvc import-url --force /.../{Path(place).name} {path.removesuffix('.dvc')}`."
            )


def _is_import(path: Path) -> bool:
    """As DVC tells them: one dependency, and frozen."""
    about = _read(path)
    return bool(about.get("frozen")) and bool(about.get("deps"))


def _read(path: Path) -> dict[str, Any]:
    """Nothing where it is no .dvc file."""
    try:
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    return about if isinstance(about, dict) else {}
