"""WebDataset shards: which there are, and the samples inside."""

import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape, glob, has_magic
from itertools import combinations
from pathlib import Path, PurePosixPath

from mmcore.errors import DataError

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it reads no .xz, which tarfile tells
    _OF_XZ: tuple[type[Exception], ...] = ()
else:
    _OF_XZ = (LZMAError,)

BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
PACKED = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz)$", re.IGNORECASE)


@dataclass
class Group:
    """The members of one sample."""

    key: str
    members: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    """Everything behind the first dot of the name -> the member."""


def shard_paths(pattern: str) -> list[Path]:
    """`a/{00..12}.tar` counts, `a/*.tar` looks. Raises DataError where one is missing, or there is none."""
    names = [pattern]
    while any(BRACES.search(name) for name in names):
        names = [other for name in names for other in _counted(name)]
    found = [path for name in names for path in _looked_for(name)]
    for path in found:
        if not path.is_file():
            raise DataError(f"there is no such shard (looked in {Path.cwd()}).", path=path)
    if not found:
        raise DataError(f"no shard is called so (looked in {Path.cwd()}). Set data.source.shards.", path=pattern)
    return found


def shard_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each shard, its folder where it is unpacked: the file's, and folders before it where files share one.

    `a/0.tar`, `a/1.tar` -> 0, 1; `a/0.tar`, `b/0.tar` -> a/0, b/0. Raises DataError where only the endings differ.
    """
    bare = {path: path.with_name(PACKED.sub("", path.name)).parts for path in paths}
    # All with as many folders: else the member 0/x of a shard `a` would lie where the member x of `a/0` does.
    for depth in range(1, 1 + max(map(len, bare.values()))):
        names = {path: "/".join(parts[-depth:]) for path, parts in bare.items()}
        if len(set(names.values())) == len(names):
            return names
    one, other = next((one, other) for one, other in combinations(bare, 2) if bare[one] == bare[other])
    raise DataError(
        f"{one.name} and {other.name} would be unpacked to one folder: rename one of them.", path=one.parent
    )


@contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """A tar file, compressed or not. What breaks inside becomes a DataError that names it."""
    try:
        with tarfile.open(path) as tar:
            yield tar
    except (tarfile.TarError, OSError, EOFError, zlib.error, *_OF_XZ) as error:
        raise DataError(f"this is no whole tar file: {error}.", path=path) from error


def groups(tar: tarfile.TarFile, path: Path) -> Iterator[Group]:
    """The samples in order. Raises DataError for members that are no plain files, or stand apart from their sample."""
    seen, current = set[str](), Group("")
    for member in tar:
        place = PurePosixPath(member.name)
        if member.isdir() or place.name.startswith((".", "__")):
            continue
        if not member.isfile() or place.is_absolute() or ".." in place.parts:
            raise DataError(f"the member {member.name!r} is no plain file inside the shard.", path=path)
        start, dot, ending = place.name.partition(".")
        key = (place.parent / start).as_posix()
        if not dot:
            raise DataError(f"the member {member.name!r} has no ending that tells what it is.", path=path)
        if key != current.key:
            if current.members:
                yield current
            if key in seen:
                raise DataError(
                    f"the members of {key!r} do not stand together. Sort them when you pack: tar --sort=name.",
                    path=path,
                )
            seen.add(key)
            current = Group(key)
        if ending.lower() in current.members:
            raise DataError(f"the member {member.name!r} stands in it twice.", path=path)
        current.members[ending.lower()] = member
    if current.members:
        yield current


def content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a member."""
    file = tar.extractfile(member)
    assert file is not None, "groups gives plain files alone"
    found = file.read()
    if len(found) != member.size:
        raise tarfile.ReadError(f"{member.name} breaks off")
    return found


def _looked_for(name: str) -> list[Path]:
    """What a name with `*` fits; in what is there brackets are letters: `set [1]/0.tar`, `set [1]/*.tar`."""
    if not has_magic(name) or Path(name).is_file():
        return [Path(name)]
    above = [str(folder) for folder in Path(name).parents if has_magic(str(folder)) and folder.is_dir()]
    there = next((folder for folder in above if name.startswith(folder)), "")
    return [Path(path) for path in sorted(glob(escape(there) + name.removeprefix(there)))]


def _counted(name: str) -> list[str]:
    """`{08..11}` -> 08, 09, 10, 11."""
    found = BRACES.search(name)
    if found is None:
        return [name]
    first, last = found.groups()
    numbers = range(int(first), int(last) + 1)
    return [f"{name[: found.start()]}{number:0{len(first)}d}{name[found.end() :]}" for number in numbers]
