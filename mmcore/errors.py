"""Every error raised on purpose; a message says what was asked, what is there, and what to do.

MmcoreError                 something the user can mend: the command line prints the message alone and exits with 2
├── ConfigError             a key, a value or a type in params.yaml or conf/
├── PluginError             a plugin that is unknown, named twice, or does not import
├── BuildError              parts that do not fit each other: a task reads a stream that no fusion writes
├── DataError               a table, a row or a file that cannot be read; `path` names it
├── ArtifactError           a folder that an earlier stage or another version wrote cannot be used
│   └── WrongModel          a model whose bytes or answers are not those that it was judged by
├── SetupError              the environment: a missing program, library, disk space
└── TrainingError           a training that cannot go on: a loss that is not finite, a checkpoint that cannot be written
Interrupted                 asked to stop by a signal; the work done so far is kept
EditedCode                  no error but a warning: a model answers through other code than it was made with
"""

import difflib
import errno
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path


class MmcoreError(Exception):
    """The root: whatever is caught under this name has a message meant for the user."""


class ConfigError(MmcoreError):
    """A key, a value or a type in params.yaml or conf/ is wrong."""


class PluginError(MmcoreError):
    """A plugin is unknown, named twice, or does not import."""


class BuildError(MmcoreError):
    """Parts that were chosen do not fit each other."""


class DataError(MmcoreError):
    """A table, a row or a file cannot be read."""

    def __init__(self, message: str, *, path: Path | str | None = None) -> None:
        super().__init__(message if path is None or message.startswith(str(path)) else f"{path}: {message}")
        self.path = path


class ArtifactError(MmcoreError):
    """A folder that an earlier stage or another version wrote cannot be used."""


class WrongModel(ArtifactError):
    """A model's bytes or answers are not those that it was judged by: it is no use to try again."""


class SetupError(MmcoreError):
    """The environment lacks something: a program, a library, disk space."""


class TrainingError(MmcoreError):
    """A training cannot go on."""


class Interrupted(MmcoreError):
    """A signal asked the process to stop; `signal` is its number."""

    def __init__(self, message: str, *, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


class EditedCode(UserWarning):
    """A model that was loaded may answer otherwise than it was judged."""


_OTHER = "Work in a clone that you may write to, or have its owner let you."
_SPACE = "Free some: `make prune` clears away what has not been of use for long."
_DENIED = {errno.EROFS: _OTHER, errno.EACCES: _OTHER, errno.EPERM: _OTHER, errno.ENOSPC: _SPACE, errno.EDQUOT: _SPACE}
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Of these, where nothing can be written whoever writes: a disk that is full or may only be read."""

_NUMBER = re.compile(r"(?:\(os error |\[Errno )(\d+)")


def denied(error: OSError) -> str | None:
    """In words, where the system does not let us write or read; None where it is an error of another kind."""
    if error.errno not in _DENIED:
        return None
    return f"{'' if error.filename is None else f'{error.filename}: '}{error.strerror}. {advice_for(error)}"


def advice_for(error: OSError) -> str:
    """What to do where the system does not let us write."""
    return _DENIED.get(error.errno or 0, _OTHER)


def is_out_of_room(error: BaseException) -> bool:
    """Whether the disk was full or may only be read, there or in what it was raised from: no fault of what was run.

    By the number that texts hold too: what is written in Rust, and what comes from another process, has no other.
    """
    found: BaseException | None = error
    while found is not None:
        numbers = {int(number) for number in _NUMBER.findall(str(found))}
        if numbers & NO_ROOM or (isinstance(found, OSError) and found.errno in NO_ROOM):
            return True
        found = found.__cause__
    return False


def near_miss(name: str, available: Iterable[str]) -> str:
    """` Did you mean 'image'?` with a space in front, or nothing where no name is close."""
    close = difflib.get_close_matches(name, list(available), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def in_one_name(names: Sequence[str]) -> str:
    """` The header is one name ..` with a space in front, or nothing where a table is not cut at another delimiter."""
    if len(names) != 1 or not (found := [sign for sign in "\t;|," if sign in names[0]]):
        return ""
    return f" The header is one name, with {found[0]!r} in it: is that what stands between the cells (delimiter)?"


def listing(names: Iterable[str]) -> str:
    """Names in order with commas between, or `none`."""
    return ", ".join(sorted(names)) or "none"


def fetched_anew(path: Path) -> str:
    """How to have a damaged output of a stage again: DVC looks at its cache's files only where they are writable."""
    return f"Train again, or fetch it again: `chmod -R u+w .dvc/cache && rm {shlex.quote(str(path))} && dvc pull`."
