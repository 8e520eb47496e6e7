"""A clone and an environment of its own, in which pages are followed to the letter."""

import os
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).parents[2]

CALLS = {
    "mm": "-c 'from mmcore.cli.main import main; main()'",
    "pip": "-m pip",
    "pytest": "-m pytest",
    "dvc": "-m dvc",
}


@pytest.fixture
def clone(tmp_path):
    """The tracked files in a git repository."""
    folder = tmp_path / "clone"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def environment(tmp_path, clone):
    """What `make install` gives, on top of this environment's libraries; what the page installs goes with it.

    `mm`, `dvc` and `pytest` start quickly: see tests/warm.py.
    """
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    own = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    below = [path for path in (*site.getsitepackages(), site.getusersitepackages()) if Path(path).is_dir()]
    (own / "below.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in below))
    for name, call in CALLS.items():
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" {call} "$@"\n')
        script.chmod(0o755)
    quiet = {"DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    found = os.pathsep.join([str(tmp_path / "warm"), str(folder / "bin"), os.environ["PATH"]])
    made = {**kept, **quiet, "PATH": found, "VIRTUAL_ENV": str(folder)}
    packages = [clone, *sorted((clone / "plugins").iterdir())]
    editable = [part for package in packages for part in ("-e", str(package))]
    install = ["pip", "install", "-q", "--no-deps", "--no-build-isolation", *editable]
    done = subprocess.run(install, env=made, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if not (clone / ".dvc").exists():
        subprocess.run(["dvc", "init", "-q"], cwd=clone, env=made, check=True)
    with warm.programs(tmp_path / "warm", made, python=str(folder / "bin" / "python")):
        yield made
