"""How the pointer moved: what was in use before what, and which releases were taken back.

A move back looks like any other in the tags of GTO, so that it says in words that it is one. In older tags a person's
reason stands alone, of a roll back as of a promotion: a move to an older release that says no more counts as a move
back, since the other mistake would put in use what was gone back from.
"""

import re

from mmcore.releases.tags import Pointer, Registry, Version

_BACK = re.compile(r" is (?:nothing|v[\d.]+ again|v[\d.]+): (?:rolled back from |v[\d.]+ failed its smoke test)")
_PROMOTED = re.compile(r" is v[\d.]+: promoted by ")


def promoted(*, by: str, reason: str | None) -> str:
    """The reason of a move to a release that a person named."""
    return f"promoted by {by}" + (f": {reason}" if reason else "")


def rolled_back(number: str, *, by: str, reason: str | None) -> str:
    """The reason of a move back from a release that a person asked for."""
    return f"rolled back from {number} by {by}" + (f": {reason}" if reason else "")


def failed_smoke(stage: str, number: str, *, previous: str | None) -> str:
    """What the tag says of a pointer that names `previous` again, or nothing."""
    return f"{stage} is {'nothing' if previous is None else f'{previous} again'}: {number} failed its smoke test"


def in_use_before(registry: Registry, stage: str) -> list[Version]:
    """What came before the present release, the last one last; what was gone back from is not among it."""
    return _line(registry, stage)[:-1]


def taken_back(registry: Registry, stage: str) -> list[Version]:
    """Releases that were gone back from, that an older one has taken the place of, or that failed their smoke test.

    One that a newer release followed is none of them, also where an older one had its place for a while.
    """
    moves, line, found = _moves(registry, stage), _line(registry, stage), list[Version]()
    for version in registry.versions:
        uses = [place for place, (pointer, named) in enumerate(moves) if named == version and not pointer.cancelled]
        if not uses:
            continue
        failed = any(f": {version.number} failed its smoke test" in one.message for one, _ in moves[uses[-1] + 1 :][:1])
        after = line[_last(line, version) + 1 :][:1] if version in line else []
        if failed or version not in line or any(_is_older(one, version) for one in after):
            found.append(version)
    return found


def _line(registry: Registry, stage: str) -> list[Version]:
    """The releases in use one after the other, the present one last, as if no move back nor what it undid had been."""
    line = list[Version]()
    for pointer, version in _moves(registry, stage):
        if _is_back(pointer, version, line):
            del line[-1:]
            while version in line and line[-1] != version:
                line.pop()
        if not pointer.cancelled and line[-1:] != [version]:
            line.append(version)
    return line


def _is_back(pointer: Pointer, version: Version, line: list[Version]) -> bool:
    if _BACK.search(pointer.message):
        return True
    says_no_more = not pointer.cancelled and not _PROMOTED.search(pointer.message)
    return says_no_more and version in line and _is_older(version, line[-1])


def _is_older(one: Version, other: Version) -> bool:
    return one.time < other.time


def _last(line: list[Version], version: Version) -> int:
    return max(place for place, named in enumerate(line) if named == version)


def _moves(registry: Registry, stage: str) -> list[tuple[Pointer, Version]]:
    by_commit = {version.commit: version for version in registry.versions}
    return [
        (pointer, by_commit[pointer.commit])
        for pointer in registry.pointers
        if pointer.stage == stage and pointer.commit in by_commit
    ]
