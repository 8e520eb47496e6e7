"""docs/plugins.md, followed to the letter in a clone and an environment of its own."""

import os
import re
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CALLS = {
    "mm": "-c 'from mmcore.cli.main import main; main()'",
    "pip": "-m pip",
    "pytest": "-m pytest",
    "dvc": "-m dvc",
}

pytestmark = pytest.mark.slow  # trains a model: every stage is a process that imports torch


def follow(page: Path, clone: Path, environment: dict[str, str]) -> str:
    """Do what the page says, block by block: ```sh is run, ```python is run, ```anything PATH is written to PATH.

    Blocks of `console` show what is on a screen, and are left out. Returns what the commands printed.
    """
    printed = ""
    for language, path, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if path:
            assert (clone / path).parent.is_dir(), f"the page writes {path} into a folder that is not there"
            (clone / path).write_text(text, encoding="utf-8")
        elif language in ("sh", "python"):
            command = ["bash", "-euc", text] if language == "sh" else ["python", "-c", text]
            done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{text}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            printed += done.stdout
    return printed


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
    """What `make install` gives, on top of this environment's libraries; what the page installs goes with it."""
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
    made = {**kept, **quiet, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(folder)}
    packages = [clone, *sorted((clone / "plugins").iterdir())]
    editable = [part for package in packages for part in ("-e", str(package))]
    install = ["pip", "install", "-q", "--no-deps", "--no-build-isolation", *editable]
    done = subprocess.run(install, env=made, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if not (clone / ".dvc").exists():
        subprocess.run(["dvc", "init", "-q"], cwd=clone, env=made, check=True)
    return made


@pytest.mark.timeout(900)
def test_who_follows_the_page_has_a_trained_model(clone, environment):
    printed = follow(ROOT / "docs" / "plugins.md", clone, environment)

    assert "state: alarmed" in printed
    assert (clone / "artifacts" / "report.html").is_file()
