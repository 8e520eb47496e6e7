"""What may be wrong with a set-up: one check a subject, each with what to do about it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import yaml

from mmcore.errors import MmcoreError, advice_for
from mmcore.registry.plugins import GROUPS, Plugins, installed
from mmcore.runtime.compiler import lacks_compiler

SCARCE_GB, TOO_LITTLE_GB = 5.0, 1.0
OLDEST_PYTHON = (3, 11)
NO_GIT = "not a git repository"
NAMED = 5
"""How many of many are named."""


@dataclass(frozen=True)
class Finding:
    """One line of `mm doctor`."""

    subject: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def examine(root: Path, plugins: Plugins | None = None) -> list[Finding]:
    """Every subject in order. A check that itself breaks is a finding, not a crash."""
    found = list[Finding]()
    for subject, check in CHECKS.items():
        try:
            found += [Finding(subject, *result) for result in check(root, plugins or installed())]
        except (OSError, subprocess.SubprocessError, ImportError) as error:
            found.append(Finding(subject, "fail", f"{type(error).__name__}: {error}", "Mend this and try again."))
    return found


Result = tuple[Literal["ok", "warn", "fail"], str, str]


def _python(root: Path, plugins: Plugins) -> Iterator[Result]:
    name = f"{sys.version.split()[0]} in {sys.prefix}"
    if sys.version_info < OLDEST_PYTHON:
        yield "fail", name, "Install Python 3.11 or later and run `make install PYTHON=python3.11`."
    elif sys.prefix == sys.base_prefix:
        yield "warn", f"{name}, no virtual environment", "Run `make install` and use .venv/bin/mm."
    else:
        yield "ok", name, ""


def _pins(root: Path, plugins: Plugins) -> Iterator[Result]:
    file = root / "constraints.txt"
    if not file.is_file():
        yield "warn", "no constraints.txt here", "Run `mm doctor` in the project's folder."
        return
    pins = [line.split("#")[0].strip().partition("==") for line in file.read_text(encoding="utf-8").splitlines()]
    wanted = {name.strip(): pin.strip() for name, sign, pin in pins if sign}
    there = {name: _version(name) for name in wanted}
    differing = [
        f"{name} {there[name]} (pinned {pin})" for name, pin in wanted.items() if there[name] not in (None, pin)
    ]
    if differing:
        yield (
            "warn",
            f"{len(differing)} differ: {_some(differing)}",
            "Run `make install` to get the versions that were tried.",
        )
    else:
        yield "ok", f"{sum(found is not None for found in there.values())} packages as constraints.txt pins them", ""


def _git(root: Path, plugins: Plugins) -> Iterator[Result]:
    if shutil.which("git") is None:
        yield "fail", "git is not installed", "Install git: DVC builds on it."
    elif (refusal := _refusal(root, "git", "rev-parse", "--is-inside-work-tree")) and NO_GIT not in refusal[0]:
        yield (
            "fail",
            f"git says: {refusal[0]}",
            " ".join(refusal[1:]) or "`git status` here says it too.",
        )
    elif _run(root, "git", "rev-parse", "--is-inside-work-tree") != "true":
        yield "fail", "this is no git repository", "Run `make install`, or `git init` and commit."
    elif not _run(root, "git", "rev-parse", "--verify", "HEAD"):
        yield "warn", "a repository without a commit", "Commit what is there: releases are made from commits."
    elif not _run(root, "git", "config", "user.email"):
        yield "warn", "git does not know who you are", 'Run `git config user.email "you@example.org"` and user.name.'
    else:
        yield "ok", f"a repository at {_run(root, 'git', 'rev-parse', '--short', 'HEAD')}", ""


def _dvc(root: Path, plugins: Plugins) -> Iterator[Result]:
    if find_spec("dvc") is None:
        yield "warn", "dvc is not installed", "Run `make install`; training needs it, predicting does not."
    elif not (root / ".dvc").is_dir():
        yield "fail", "this is no DVC repository", "Run `make install`, or `dvc init`."
    elif not (root / "dvc.yaml").is_file():
        yield "fail", "no dvc.yaml here", "Run `mm doctor` in the project's folder."
    else:
        damaged = list(_damaged(root))
        yield from damaged
        if not damaged:
            yield "ok", f"dvc {_version('dvc')}", ""


def _damaged(root: Path) -> Iterator[Result]:
    """Files of DVC's own that no stage can run with."""
    held, lock = root / ".dvc" / "tmp" / "rwlock", root / "dvc.lock"
    if held.is_file() and _reads(held, json.loads) is None:
        yield "fail", ".dvc/tmp/rwlock is damaged", "Run `rm .dvc/tmp/rwlock` while no stage runs."
    if lock.is_file() and "schema" not in (_reads(lock, yaml.safe_load) or ()):
        yield "fail", "dvc.lock is damaged", "Run `git checkout HEAD -- dvc.lock`, or resolve what a merge left in it."


def _reads(file: Path, read: Callable[[str], Any]) -> Mapping[str, Any] | None:
    try:
        found = read(file.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError):
        return None
    return found if isinstance(found, Mapping) else None


def _remote(root: Path, plugins: Plugins) -> Iterator[Result]:
    if find_spec("dvc") is None:
        yield "warn", "dvc is not installed, and knows of none", "Run `make install`."
        return
    # Asked, not read: settings of the user and of the machine count too.
    told = _run(root, sys.executable, "-m", "dvc", "config", "--list")
    settings = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    name = settings.get("core.remote")
    url = settings.get(f"remote.{name}.url")
    if name is None:
        yield "warn", "no default remote", "Results stay on this machine. To share them: dvc remote add -d NAME URL"
    elif url is None:
        yield "fail", f"remote {name!r} has no URL", f"Run `dvc remote add -d {name} URL`."
    elif "://" not in url and not (root / url).is_dir():
        yield "warn", f"{name}: {url} is not there", "Mount it, or make the folder, if it is a new one."
    else:
        yield "ok", f"{name}: {url}", ""


def _torch(root: Path, plugins: Plugins) -> Iterator[Result]:
    import torch

    built = torch.version.cuda or torch.version.hip
    if torch.cuda.is_available():
        name, lacks = f"torch {torch.__version__} on {torch.cuda.get_device_name()}", lacks_compiler()
        if lacks is None:
            yield "ok", name, ""
        else:
            what, _, advice = lacks.partition(": ")
            yield "warn", f"{name}, uncompiled: {what}", f"To train faster, {advice}."
    elif shutil.which("nvidia-smi") is None or "GPU" not in _run(root, "nvidia-smi", "--list-gpus"):
        yield "ok", f"torch {torch.__version__}, no GPU: training runs on the CPU", ""
    elif built is None:
        yield (
            "warn",
            f"there is a GPU, but torch {torch.__version__} is built for the CPU",
            "Install a CUDA build of torch.",
        )
    else:
        advice = "Update the driver, or install a torch built for an older CUDA."
        yield "warn", f"there is a GPU, but torch {torch.__version__} (CUDA {built}) cannot use it", advice


def _writing(root: Path, plugins: Plugins) -> Iterator[Result]:
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        yield "fail", f"{error.strerror}: {root.absolute()}", advice_for(error)
    else:
        yield "ok", f"{root.absolute()} can be written to", ""


def _disk(root: Path, plugins: Plugins) -> Iterator[Result]:
    free = shutil.disk_usage(root).free / 1e9
    # Not `dvc gc --workspace`: it takes the bytes of every release that the workspace does not stand at.
    advice = "Free some space: `make prune` removes what has not been of use for long, never what was released."
    if free < TOO_LITTLE_GB:
        yield "fail", f"{free:.1f} GB free", advice
    elif free < SCARCE_GB:
        yield "warn", f"{free:.1f} GB free", advice
    else:
        yield "ok", f"{free:.0f} GB free", ""


def _plugins(root: Path, plugins: Plugins) -> Iterator[Result]:
    rows = [row for kind in GROUPS for row in plugins.kind(kind).rows()]
    broken = [row for row in rows if row.error is not None]
    if not rows:
        yield "fail", "none is installed", "Run `make install`, or pip install -e plugins/NAME."
    for row in broken:
        yield "fail", f"{row.kind} {row.name} of {row.package}", row.error or ""
    if rows and not broken:
        yield "ok", f"{len(rows)} from {len({row.package for row in rows})} packages", ""


def _params(root: Path, plugins: Plugins) -> Iterator[Result]:
    if find_spec("hydra") is None:
        yield "warn", "hydra is not installed", "Run `make install`; `mm compose` needs it, stages do not."
        return
    from mmcore.config.check import check

    try:
        found = check(root, plugins=plugins)
    except MmcoreError as error:
        yield "fail", str(error), ""
        return
    for fault in found.faults:
        yield "fail", fault, "Change params.yaml, or run `mm compose`."
    if found.edits:
        yield "warn", f"differs from conf/: {_some(list(found.edits))}", "Run `mm compose --check` to see how."
    elif not found.faults:
        yield "ok", "in order", ""


CHECKS: dict[str, Callable[[Path, Plugins], Iterator[Result]]] = {
    "python": _python,
    "pins": _pins,
    "git": _git,
    "dvc": _dvc,
    "remote": _remote,
    "torch": _torch,
    "writing": _writing,
    "disk": _disk,
    "plugins": _plugins,
    "params.yaml": _params,
}


def _run(root: Path, *command: str) -> str:
    """What a command prints; nothing where it fails."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _refusal(root: Path, *command: str) -> list[str]:
    """The lines that a command fails with, without what it warns of before; nothing where it does not."""
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=20, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    if not done.returncode:
        return []
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if line.startswith("fatal: ")), 0)
    return [line.removeprefix("fatal: ") for line in lines[first:]]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
