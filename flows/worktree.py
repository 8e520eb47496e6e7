"""A clean git worktree for one run: what is committed and nothing else, with DVC's cache shared with the clone."""

import os
import shutil
from collections.abc import Sequence
from configparser import RawConfigParser
from contextlib import suppress
from pathlib import Path

from flows.environment import CLONE
from flows.holdings import cache_of
from mmcore.errors import SetupError
from mmcore.releases.git import Git

FOLDER = Path(".mm", "worktrees")
LINKED = (Path(".mm", "training"), Path(".mm", "curves"))
"""What a run leaves for the next one to go on from: checkpoints and curves, named by all that decides a training."""

NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")


def git(root: Path, *arguments: str) -> str:
    """What git prints. Raises SetupError with what git says."""
    return Git(root).run(*arguments).strip()


def add_worktree(clone: Path, commit: str, *, name: str, share: Sequence[str], remote: str | None = None) -> Path:
    """A new folder with the files of `commit`, ready for DVC.

    share: paths of the clone that the folder gets links to. remote: DVC's default one in the folder; None: the clone's.
    Raises SetupError where a path is not there, or git refuses; nothing is left of the folder then.
    """
    path = clone / FOLDER / name
    # Without hooks: that of `dvc install` runs `dvc checkout` in a folder that does not have its cache yet, and fails.
    git(clone, *NO_HOOKS, "worktree", "add", "--quiet", "--detach", "--force", str(path), commit)
    try:
        _furnish(clone, path, share=share, remote=remote)
    except (SetupError, OSError):
        remove_worktree(clone, path)
        raise
    return path


def _furnish(clone: Path, path: Path, *, share: Sequence[str], remote: str | None) -> None:
    (path / ".dvc").mkdir(exist_ok=True)
    if not (path / ".dvc" / "config").exists():  # DVC was set up and never committed
        shutil.copy(clone / ".dvc" / "config", path / ".dvc" / "config")
    _write_local_config(clone / ".dvc", path / ".dvc" / "config.local", remote=remote)
    for linked in LINKED:
        (clone / linked).mkdir(parents=True, exist_ok=True)
        (path / linked).parent.mkdir(parents=True, exist_ok=True)
        (path / linked).symlink_to(clone / linked)
    for shared in share:
        _link(clone / shared, path / shared)


def list_worktrees(clone: Path) -> list[Path]:
    """Those of earlier runs, the newest first."""
    found = [path for path in (clone / FOLDER).glob("*") if path.is_dir()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def remove_worktree(clone: Path, path: Path) -> None:
    """Also one that is half there."""
    with suppress(SetupError):
        git(clone, "worktree", "remove", "--force", "--force", str(path))
    shutil.rmtree(path, ignore_errors=True)  # never follows a link out of it
    git(clone, "worktree", "prune")


def code_of(path: Path) -> str:
    """PYTHONPATH with which mmcore, flows and the plugins are those of the worktree, not the clone's."""
    # Installed as they are they are the clone's working tree, which a person may be in the middle of editing.
    folders = [path, *sorted(project.parent for project in path.glob("plugins/*/pyproject.toml")), CLONE]
    return os.pathsep.join(map(str, folders))


def _write_local_config(clone: Path, file: Path, *, remote: str | None) -> None:
    """The clone's own settings of DVC, with paths that mean the same from elsewhere, and its cache."""
    settings = RawConfigParser()
    settings.optionxform = str  # type: ignore[assignment,method-assign]
    settings.read(clone / "config.local")
    committed = RawConfigParser()
    committed.read([clone / "config", clone / "config.local"])
    places = {"cache": ("dir", str(cache_of(clone.parent)))}
    for section in committed.sections():
        url = committed.get(section, "url", fallback="://")
        if "://" not in url:
            places[section] = ("url", url)
    said = [(section, key, str((clone / place).resolve())) for section, (key, place) in places.items()]
    said += [("core", "remote", remote)] if remote is not None else []
    for section, key, value in said:
        if not settings.has_section(section):
            settings.add_section(section)
        settings.set(section, key, value)
    with file.open("w", encoding="utf-8") as stream:
        settings.write(stream)


def _link(source: Path, target: Path) -> None:
    if not source.exists():
        raise SetupError(f"{source} is named under `share` in conf/schedule.yaml and is not there.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() or target.is_symlink():
        raise SetupError(
            f"{source} is named under `share` in conf/schedule.yaml and is in git as well. Take it from one of them."
        )
    target.symlink_to(source)
