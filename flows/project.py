"""What has to be there before anything can run: the files, git and DVC of a clone."""

import errno
import shutil
import tempfile
from pathlib import Path

from mmcore.errors import SetupError, advice_for

LEAST_FREE = 50 * 2**20
"""Bytes: with less, what fails first is DVC's or Prefect's own database, in words of its own."""

_NEEDED = {
    ".git": "It is not a git repository, which DVC builds on. `git init` makes it one (`make run` does it for you).",
    ".dvc": "DVC is not set up in it. `dvc init` does that (`make run` does it for you).",
    "dvc.yaml": "It has no dvc.yaml, which names the stages. Start this in the root of a clone.",
    "params.yaml": "It has no params.yaml, which every stage reads. `mm compose` writes it.",
}


def check_project(root: Path) -> None:
    """Raises SetupError that names the first thing that is missing and how to get it."""
    for name, remedy in _NEEDED.items():
        if not (root / name).exists():
            raise SetupError(f"Nothing can run in {root}. {remedy}")


def check_writable(folder: Path) -> None:
    """Raises SetupError where nothing, or next to nothing, can be written: DVC and Prefect would say something else of
    it, and later.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        raise SetupError(f"Nothing can be written to {folder}: {error.strerror}. {advice_for(error)}") from error
    disk = shutil.disk_usage(folder)
    if disk.total and disk.free < LEAST_FREE:  # of a size of 0 are disks that do not tell theirs
        raise SetupError(
            f"Only {disk.free / 2**20:.0f} MiB are free where {folder} lies, too little to begin. "
            f"{advice_for(OSError(errno.ENOSPC, ''))}"
        )
