"""One at a time, in all worktrees of a repository: a lock that the system lets go of when its holder ends, however."""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mmcore.errors import SetupError
from mmcore.releases.git import Git


@contextmanager
def only_one(git: Git, what: str, *, wait: bool) -> Iterator[None]:
    """Hold the lock `what` (`retraining`, `release`) of the repository; as `hold`."""
    with hold(state_of(git) / f"{what}.lock", what, wait=wait, mend="Let it end, or start with --wait."):
        yield


@contextmanager
def hold(path: Path, what: str, *, wait: bool = False, mend: str = "Let it end.") -> Iterator[None]:
    """Hold the lock of this file, which whoever is killed does not hold any longer.

    wait: until it is free, saying for whom; else raises SetupError that names who holds it and says `mend`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Never deleted: whoever waits for the file of that name must wait for the same one.
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = f"Another {what} is at work{_holder(path)}"
            if not wait:
                raise SetupError(f"{held}. {mend}") from None
            print(f"{held}. Waiting for it to end.", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        json.dump({"process": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}, file)
        file.flush()
        yield


def state_of(git: Git) -> Path:
    """A folder of ours that all worktrees share and git does not look at."""
    folder = git.shared / "mmcore"
    folder.mkdir(exist_ok=True)
    return folder


def _holder(path: Path) -> str:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f" (process {told['process']}, since {told['since']})"
    except (OSError, ValueError, KeyError):
        return ""
