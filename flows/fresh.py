"""New data: what was imported from elsewhere is fetched anew; rows and files that grew in place need nothing."""

import subprocess
import sys
from pathlib import Path

import yaml

from mmcore.errors import SetupError
from mmcore.releases.git import Git


def imports_of(git: Git) -> list[str]:
    """The .dvc files of `dvc import` and `dvc import-url`, committed or not."""
    listed = git.lines("ls-files", "--cached", "--others", "--exclude-standard", "--", "*.dvc")
    return sorted(path for path in listed if _is_import(git.root / path))


def update_imports(root: Path, git: Git) -> list[str]:
    """Run `dvc update` on every import. Returns those that changed.

    Raises SetupError with what DVC says where the source cannot be reached: training on old data would look as if
    there were no new.
    """
    paths = imports_of(git)
    if not paths:
        return []
    before = {path: (root / path).read_bytes() for path in paths}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "update", "--quiet", *paths], cwd=root, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        told = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise SetupError(f"`dvc update {' '.join(paths)}` failed, so whether there is new data is not known: {told}")
    return [path for path in paths if (root / path).read_bytes() != before[path]]


def _is_import(path: Path) -> bool:
    """As DVC tells them: one dependency, and frozen."""
    try:
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return False
    return isinstance(about, dict) and bool(about.get("frozen")) and bool(about.get("deps"))
