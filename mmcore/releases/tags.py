"""Versions and pointers as GTO keeps them: annotated tags of git, `model@v1.2.0` and `model#prod#7`.

`gto show` and `dvc artifacts get` read them. They go by the time of a tag, in whole seconds: two tags of one second, or
a clock that was put back, would leave the pointer where it was. So each tag is made at least a second after the last,
which GTO's own commands cannot be told to do.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mmcore.errors import ConfigError, listing, near_miss
from mmcore.releases.git import Git

_VERSION = re.compile(r"(?P<name>[^@#]+)@v(?P<version>\d+\.\d+\.\d+)")
_POINTER = re.compile(r"(?P<name>[^@#]+)#(?P<stage>[^#!]+)(?P<cancel>!?)#(?P<counter>\d+)")
_FORMAT = "%(refname:strip=2)%00%(*objectname)%00%(taggerdate:unix)%00%(contents:subject)"


@dataclass(frozen=True)
class Version:
    """A registered model."""

    number: str
    """`v1.2.0`."""
    commit: str
    time: int
    message: str

    @property
    def when(self) -> str:
        """ISO 8601, UTC."""
        return datetime.fromtimestamp(self.time, UTC).isoformat()


@dataclass(frozen=True)
class Pointer:
    """One setting of the pointer."""

    stage: str
    commit: str
    time: int
    counter: int
    message: str
    cancelled: bool = False
    """It points nowhere from here on."""


@dataclass(frozen=True)
class Registry:
    """What the tags of one artifact say."""

    name: str
    versions: Sequence[Version]
    """In the order of time."""
    pointers: Sequence[Pointer]
    """In the order of time."""

    def current(self, stage: str) -> Version | None:
        """The version that a pointer names now."""
        history = self.history(stage)
        last = [pointer for pointer in self.pointers if pointer.stage == stage][-1:]
        return history[-1] if history and last and not last[0].cancelled else None

    def history(self, stage: str) -> list[Version]:
        """The versions that a pointer has named, in the order of time, one as often as it was."""
        by_commit = {version.commit: version for version in self.versions}
        return [
            by_commit[pointer.commit]
            for pointer in self.pointers
            if pointer.stage == stage and not pointer.cancelled and pointer.commit in by_commit
        ]

    def version(self, number: str) -> Version:
        """By its number, with or without the v. Raises ConfigError where there is none."""
        wanted = number if number.startswith("v") else f"v{number}"
        for version in self.versions:
            if version.number == wanted:
                return version
        known = [version.number for version in self.versions]
        raise ConfigError(
            f"There is no release {number!r} of {self.name}.{near_miss(wanted, known)} There is: {listing(known)}."
        )

    def next_number(self) -> str:
        """The minor version after the highest."""
        numbers = [tuple(map(int, version.number[1:].split("."))) for version in self.versions]
        major, minor, _ = max(numbers, default=(1, -1, 0))
        return f"v{major}.{minor + 1}.0"

    @property
    def last_time(self) -> int:
        """Of the newest tag; 0 where there is none."""
        return max([*(one.time for one in self.versions), *(one.time for one in self.pointers)], default=0)


def read_registry(git: Git, name: str) -> Registry:
    """The tags of one artifact."""
    versions, pointers = list[Version](), list[Pointer]()
    for line in git.lines("for-each-ref", f"--format={_FORMAT}", "refs/tags"):
        tag, commit, time, message = line.split("\0")
        if not commit:  # a lightweight tag, which GTO does not count either
            continue
        version, pointer = _VERSION.fullmatch(tag), _POINTER.fullmatch(tag)
        if version and version["name"] == name:
            versions.append(Version(f"v{version['version']}", commit, int(time), message))
        if pointer and pointer["name"] == name:
            pointers.append(
                Pointer(pointer["stage"], commit, int(time), int(pointer["counter"]), message, bool(pointer["cancel"]))
            )
    return Registry(
        name,
        sorted(versions, key=lambda one: (one.time, _numbers(one.number))),
        sorted(pointers, key=lambda one: (one.time, one.counter)),
    )


def register(git: Git, name: str, number: str, *, commit: str, message: str, now: int) -> None:
    """Tag a commit as a version."""
    _tag(git, f"{name}@{number}", commit, message=message, when=max(now, read_registry(git, name).last_time + 1))


def point(git: Git, name: str, stage: str, *, commit: str, message: str, now: int, cancelled: bool = False) -> None:
    """Have a pointer name a commit from now on; cancelled: nothing, the commit being the last that it named."""
    registry = read_registry(git, name)
    counter = 1 + max((pointer.counter for pointer in registry.pointers), default=0)
    _tag(
        git,
        f"{name}#{stage}{'!' if cancelled else ''}#{counter}",
        commit,
        message=message,
        when=max(now, registry.last_time + 1),
    )


def _tag(git: Git, tag: str, commit: str, *, message: str, when: int) -> None:
    git.run("-c", "tag.gpgSign=false", "tag", "-a", tag, commit, "-m", message, environment=git.identity(when=when))


def _numbers(number: str) -> tuple[int, ...]:
    return tuple(map(int, number[1:].split(".")))
