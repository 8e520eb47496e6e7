"""DVC's cache on the disk: what lies there, what git names of it, and when it was last of use.

By the formats alone (dvc.lock, .dvc files, the folders of the cache), which DVC keeps across versions.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache as remember
from pathlib import Path
from typing import Any

import yaml

from flows.environment import python_module
from mmcore.errors import SetupError
from mmcore.releases.git import Git

OBJECT = re.compile(r"[0-9a-f]{30}(\.dir)?")
NAME = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?")
LOCK = "dvc.lock"
CONFLICT = "<<<<<<< "  # how git marks one


@dataclass(frozen=True)
class Held:
    """One object of the cache; `used` in seconds since 1970."""

    name: str  # its md5, with .dir where it is a folder
    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class Remembered:
    """One entry of the run cache: a run of a stage that need not be repeated."""

    path: Path
    names: frozenset[str]  # of the objects that it made
    written: float


def cache_of(clone: Path) -> Path:
    """Where its DVC keeps objects, as DVC says: settings of a user and of the machine count too. Raises SetupError."""
    done = subprocess.run(
        [*python_module("dvc"), "cache", "dir"], cwd=clone, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SetupError(f"`dvc cache dir` failed in {clone}: {' '.join(done.stderr.split())}")
    return Path(done.stdout.rstrip("\n")).resolve()


def is_shared(cache: Path, clone: Path) -> bool:
    """Whether other clones may have objects in it, which nothing here names: all but one in .dvc may be so."""
    return not cache.is_relative_to((clone / ".dvc").resolve())


def objects_in(cache: Path) -> Iterator[Held]:
    """Also those in the layout of DVC 2, where DVC 3 still keeps outputs that are not cached otherwise."""
    for folder in (cache / "files" / "md5", cache):
        for path in folder.glob("[0-9a-f][0-9a-f]/*"):
            if OBJECT.fullmatch(path.name):
                status = path.stat()
                yield Held(f"{path.parent.name}{path.name}", path, status.st_size, status.st_mtime)


def remembered_in(cache: Path) -> Iterator[Remembered]:
    for path in cache.glob("runs/*/*/*"):
        try:
            names = names_in(path.read_text(encoding="utf-8"), outputs_alone=True)
        except (OSError, ValueError, yaml.YAMLError):
            continue
        yield Remembered(path, frozenset(names), path.stat().st_mtime)


def names_in(text: str, *, outputs_alone: bool = False) -> set[str]:
    """The objects that a dvc.lock, a .dvc file or an entry of the run cache names."""
    found = set[str]()
    left: list[Any] = [yaml.safe_load(text)]
    while left:
        node = left.pop()
        if isinstance(node, Mapping):
            md5 = node.get("md5")
            found |= {md5} if isinstance(md5, str) and OBJECT.fullmatch(md5[2:]) else set()
            left += [value for key, value in node.items() if not (outputs_alone and key == "deps")]
        elif isinstance(node, list):
            left += node
    return found


def members(names: Iterable[str], cache: Path) -> set[str]:
    """The names, and those of the files in each folder among them.

    Raises SetupError where the list of a folder is damaged: its files must not pass for such as nobody needs.
    """
    found = set(names)
    return found.union(*(_files_of(name, cache) for name in found if name.endswith(".dir")))


@remember
def _files_of(name: str, cache: Path) -> frozenset[str]:
    paths = [layout / name[:2] / name[2:] for layout in (cache / "files" / "md5", cache)]
    return frozenset(md5 for path in paths if path.exists() for md5 in _listed_in(path))


def _listed_in(path: Path) -> list[str]:
    try:
        return [item["md5"] for item in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError) as error:
        raise SetupError(
            f"{path} is damaged, so which files of DVC's cache belong to that folder is not known, and nothing there "
            f"is cleared away. `rm -f {shlex.quote(str(path))} && dvc commit` writes it again where the folder stands "
            "as it was; `dvc fetch --all-branches --all-tags` after the `rm` has it from DVC's remote."
        ) from error


def named_by_git(clone: Path) -> set[str]:
    """What must stay: all that a tag, a branch or another ref holds, and data of any commit at all.

    Releases are tags. What a stage made can be made again; data that somebody added cannot.
    """
    git, blobs = Git(clone), set[str]()
    for commit in {"HEAD", *git.lines("for-each-ref", "--format=%(objectname)")}:
        listed = git.ask("ls-tree", "-r", "-z", commit) or ""  # a ref of something else than a commit has none
        for line in filter(None, listed.split("\0")):
            about, _, path = line.partition("\t")
            if Path(path).name == LOCK or path.endswith(".dvc"):
                blobs.add(about.split()[2])
    # Without --full-history git follows of a merge the one side that it came out as, and of others shows nothing.
    every = ("--all", "--reflog", "--full-history", "-m")
    history = git.lines("log", *every, "--format=", "--raw", "--no-abbrev", "--", "*.dvc")
    blobs |= {blob for line in history for blob in line.split()[2:4] if blob.strip("0")}
    texts = [git.ask("cat-file", "blob", blob) for blob in blobs]
    return {name for text in texts if text for name in _names_anyhow(text)}


def named_by_folder(root: Path) -> set[str]:
    """What the files of a working tree name, committed or not. Raises SetupError where one of them is damaged."""
    listed = (Git(root).ask("ls-files", "--cached", "--others", "--exclude-standard", "-z") or "").split("\0")
    files = [root / path for path in listed if Path(path).name == LOCK or path.endswith(".dvc")]
    return {name for file in files if file.is_file() for name in _names_of(file)}


def _names_of(file: Path) -> set[str]:
    try:
        text = file.read_text(encoding="utf-8")
        return _names_anyhow(text) if CONFLICT in text else names_in(text)
    except (ValueError, yaml.YAMLError) as error:
        raise SetupError(
            f"{file} cannot be read, so what it needs of DVC's cache is not known, and nothing there is cleared away. "
            f"Have it as it was committed: `git -C {shlex.quote(str(file.parent))} checkout {shlex.quote(file.name)}`."
        ) from error


def _names_anyhow(text: str) -> set[str]:
    """Where a text is none of YAML, all that looks like a name: both sides of somebody's merge conflict need theirs."""
    try:
        return names_in(text)
    except (ValueError, yaml.YAMLError):
        return set(NAME.findall(text))
