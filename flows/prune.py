"""`python -m flows.prune`: clear away what has not been of use for long, as conf/schedule.yaml's `keep` says.

Never what a tag (a release is one), a branch or a working tree names, nor data that was ever committed, nor anything in
a cache of DVC that other clones may share: what goes is what a stage made and can make again, checkpoints and studies
nobody goes on with, and folders of old runs.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from flows.exits import DONE, run_to_exit
from flows.holdings import (
    Held,
    Remembered,
    cache_of,
    is_shared,
    members,
    named_by_folder,
    named_by_git,
    names_in,
    objects_in,
    remembered_in,
)
from flows.lockfile import replace_text
from flows.locks import only_one
from flows.project import check_project
from flows.record import STATE, one_at_a_time
from flows.timetable import Keep, read_timetable
from flows.worktree import list_worktrees, remove_worktree
from mmcore.releases.git import Git

DAY_S = 24 * 3600.0
GIB = 2**30
LOCKS = STATE / "locks"  # what each run of the schedule had in dvc.lock, for as long as it counts as use
LEFTOVERS = (Path(".mm", "training"), Path(".mm", "search"), Path(".mm", "curves"), LOCKS)
"""Folders of what nobody else names: checkpoints of trainings that never ended, studies, live curves."""


@dataclass
class Cleared:
    """What went, or would go."""

    bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    left_bytes: int = 0  # of DVC's cache
    held_bytes: int = 0  # of that, what git or a working tree names
    spared: Path | None = None  # DVC's cache, where others may need what lies in it
    unread: list[str] = field(default_factory=list)  # what was to say when objects were used, and cannot be read

    def add(self, what: str, size: int) -> None:
        self.bytes += size
        self.counts[what] = self.counts.get(what, 0) + 1

    def __str__(self) -> str:
        went = ", ".join(f"{count} {what}" for what, count in self.counts.items()) or "nothing"
        if self.spared is not None:
            cache = f"was left alone: {self.spared} is outside .dvc, and other clones may need what lies there."
        else:
            held = f"{_size(self.held_bytes)} of it named by a tag, a branch or a working tree."
            cache = f"has {_size(self.left_bytes)} left, {held}"
        cache += f" Not counted, since it cannot be read: {', '.join(self.unread)}." if self.unread else ""
        return f"{went}; {_size(self.bytes)} in all. DVC's cache {cache}"


def prune(clone: Path, keep: Keep, *, dry: bool = False, now: float | None = None) -> Cleared:
    """Returns what went. Nothing that was used within a day goes, whatever `keep` says: a run may be at work."""
    now, cleared = now or time.time(), Cleared()
    for path in list_worktrees(clone)[keep.worktrees :]:
        cleared.add("worktrees", _bytes_of(path))
        if not dry:
            remove_worktree(clone, path)
    for place in LEFTOVERS:
        for path in (clone / place).glob("*"):
            if _newest(path) < now - keep.days * DAY_S:
                cleared.add(f"of {place}", _bytes_of(path))
                if not dry:
                    _remove(path)
    _prune_cache(clone, keep, cleared, dry=dry, now=now)
    return cleared


def keep_use(clone: Path, worktree: Path) -> None:
    """Remember that a run used what its dvc.lock names: for `keep.days` that counts as if it was made today."""
    lock = worktree / "dvc.lock"
    if lock.exists():
        (clone / LOCKS).mkdir(parents=True, exist_ok=True)
        replace_text(clone / LOCKS / f"{worktree.name}.lock", lock.read_text(encoding="utf-8"))


def _prune_cache(clone: Path, keep: Keep, cleared: Cleared, *, dry: bool, now: float) -> None:
    cache = cache_of(clone)
    if is_shared(cache, clone):
        cleared.spared = cache
        return
    folders = [clone, *list_worktrees(clone)]
    held = members(set().union(named_by_git(clone), *map(named_by_folder, folders)), cache)
    remembered = list(remembered_in(cache))
    objects = _with_use(list(objects_in(cache)), remembered, clone, cache, cleared.unread)
    goes = choose(objects, held, keep, now=now)
    for item in goes:
        cleared.add("objects", item.size)
        if not dry:
            item.path.unlink(missing_ok=True)
    gone = {item.name for item in goes}
    for entry in remembered:
        old = entry.written < now - keep.days * DAY_S and not entry.names <= held
        if old or entry.names & gone:
            cleared.add("runs", 0)
            if not dry:
                entry.path.unlink(missing_ok=True)
                with suppress(OSError):  # others are left in it
                    entry.path.parent.rmdir()  # DVC breaks on a folder without an entry
    cleared.left_bytes = sum(item.size for item in objects) - sum(item.size for item in goes)
    cleared.held_bytes = sum(item.size for item in objects if item.name in held)


def choose(objects: Sequence[Held], held: set[str], keep: Keep, *, now: float) -> list[Held]:
    """Which objects go: those that are too old, then the oldest until the rest is small enough."""
    free = sorted((item for item in objects if item.name not in held), key=lambda item: item.used)
    free = [item for item in free if item.used < now - DAY_S]
    goes = [item for item in free if item.used < now - keep.days * DAY_S]
    left = sum(item.size for item in objects) - sum(item.size for item in goes)
    for item in free[len(goes) :]:
        if left <= keep.size_gib * GIB:
            break
        goes.append(item)
        left -= item.size
    return goes


def _with_use(
    objects: Sequence[Held], remembered: Iterable[Remembered], clone: Path, cache: Path, unread: list[str]
) -> list[Held]:
    """The objects with the time they were last made or found again; the file itself tells only when it was first."""
    used = dict[str, float]()

    def note(names: Iterable[str], when: float) -> None:
        for name in members(names, cache):
            used[name] = max(used.get(name, 0.0), when)

    for entry in remembered:
        note(entry.names, entry.written)
    for lock in (clone / LOCKS).glob("*.lock"):
        try:
            names = names_in(lock.read_text(encoding="utf-8"))
        except (ValueError, yaml.YAMLError):  # a full disk left half of it
            unread.append(str(lock))
        else:
            note(names, lock.stat().st_mtime)
    return [Held(item.name, item.path, item.size, max(item.used, used.get(item.name, 0.0))) for item in objects]


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _newest(path: Path) -> float:
    return max(file.lstat().st_mtime for file in [path, *path.rglob("*")])


def _bytes_of(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_symlink() and file.is_file())


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"


def main() -> int:
    parser = argparse.ArgumentParser("python -m flows.prune", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="say what would go, and leave it")
    given = parser.parse_args()

    def run() -> int:
        clone = Path.cwd()
        check_project(clone)
        with one_at_a_time(clone), only_one(Git(clone), "retraining", wait=False):
            print(
                f"{'Would go' if given.dry else 'Cleared'}: {prune(clone, read_timetable(clone).keep, dry=given.dry)}"
            )
        return DONE

    return run_to_exit(run)


if __name__ == "__main__":
    sys.exit(main())
