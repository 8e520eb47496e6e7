"""Where a study is kept: a journal file that survives kill -9, or PostgreSQL for workers on several machines."""

import fcntl
import logging
import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from mmcore.errors import ConfigError, SetupError

T = TypeVar("T")

optuna.logging.set_verbosity(logging.ERROR)  # what a person should see of a search, it says itself

DRIVER = "postgresql+psycopg"
RETRY_S = 1.0
_PASSWORD = re.compile(r"([?&]\w*pass\w*)=[^&]*", re.IGNORECASE)


class _FileLock:
    """The kernel's own lock, which goes with the process that holds it: Optuna's stays for 30 s after a kill -9."""

    def __init__(self, path: Path) -> None:
        self._path, self._held = path, list[int]()

    def acquire(self) -> bool:
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self._held.append(descriptor)
        return True

    def release(self) -> None:
        os.close(self._held.pop())


def open_journal(path: Path) -> BaseStorage:
    """The study in a file. A last line that a kill cut off is taken away: the next one would be glued to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        mend(path)
    lock: Any = _lock_of(path)  # as Optuna's, whose common class has no public name
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def mend(path: Path) -> int:
    """Cut off what stands after the last whole line; how many bytes that were."""
    lock = _lock_of(path)
    lock.acquire()  # else a search that runs beside may be writing that line, or more lines than were read here
    try:
        with path.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            file.truncate(whole)
    finally:
        lock.release()
    return len(content) - whole


def _lock_of(path: Path) -> _FileLock:
    return _FileLock(path.with_name(f"{path.name}.held"))


def open_database(address: str, *, heartbeat_s: int) -> RDBStorage:
    """The study in PostgreSQL. Raises ConfigError or SetupError that says what to do."""
    try:
        with quiet():
            return RDBStorage(
                address_of(address),
                # Asked before each use whether it is still there: a server that was started anew is found again.
                engine_kwargs={"pool_pre_ping": True, "pool_size": 8, "max_overflow": 24},
                heartbeat_interval=heartbeat_s,
                grace_period=3 * heartbeat_s,
            )
    except ImportError as error:
        raise SetupError(
            f"storage={without_password(address)} needs a driver: pip install 'mmcore[postgres]'. {error}"
        ) from error
    except Exception as error:  # SQLAlchemy's own tree, which is no dependency of ours
        of_sqlalchemy = type(error).__module__.startswith("sqlalchemy")
        # It reads a port by `int`, and tells what is no number in that one's words.
        if isinstance(error, ValueError) or (of_sqlalchemy and type(error).__name__ == "ArgumentError"):
            raise ConfigError(
                "storage is no address of a database (it is not shown here, since it may hold a password). Say "
                "postgresql://USER@HOST:PORT/DATABASE, where :PORT is a number and may be left out."
            ) from error
        if not is_away(error):
            raise
        raise SetupError(
            f"The database {without_password(address)} does not answer: {first_line(error)} Start it, or leave storage "
            "out: then the study is a file."
        ) from error


def address_of(address: str) -> str:
    """With the driver that we install: `postgresql://` alone would ask for another one."""
    scheme, _, rest = address.partition("://")
    return f"{DRIVER}://{rest}" if scheme in ("postgresql", "postgres") else address


def without_password(address: str) -> str:
    """For people to see, of an address that is one."""
    account, at, place = address.rpartition("@")
    scheme, mark, account = account.partition("//")
    shown = f"{scheme}{mark}{account.partition(':')[0]}{at}{place}" if mark else f"{at}{place}"
    return _PASSWORD.sub(r"\1=...", shown)


def is_away(error: BaseException) -> bool:
    """Whether a database was not there, or went away in the middle."""
    names = {"OperationalError", "InterfaceError", "AdminShutdown", "TimeoutError"}
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, StorageInternalError) or type(found).__name__ in names:
            return True
        found = found.__cause__
    return False


def first_line(error: BaseException) -> str:
    """The first line of what the innermost error says."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class Patience:
    """Tries again while a database is away; nothing that was to be noted is lost meanwhile."""

    def __init__(self, seconds: float, *, say: Callable[[str], None]) -> None:
        """say: told once when the database is away, and once when it is back."""
        self._seconds, self._say = seconds, say

    def __call__(self, work: Callable[[], T]) -> T:
        """The result of `work`, which may be called several times. Raises SetupError when it has been too long."""
        began, told = time.monotonic(), False
        while True:
            try:
                found = work()
            except Exception as error:
                if not is_away(error):
                    raise
                if not told:
                    self._say(f"The database does not answer ({first_line(error)}); waiting for it.")
                    told = True
                if time.monotonic() - began > self._seconds:
                    raise SetupError(
                        f"The database has not answered for {self._seconds:g} s ({first_line(error)}). Nothing is "
                        "lost: started again, the search goes on from what was noted, and each training from its "
                        "checkpoint."
                    ) from error
                time.sleep(RETRY_S)
            else:
                if told:
                    self._say("The database is back.")
                return found


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna marks parts that we use on purpose as experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used")
        yield


def forget_beside(folder: Path) -> None:
    """Remove whatever lies beside a folder: another study of the same name left it."""
    for other in folder.parent.glob("*"):
        if other != folder:
            shutil.rmtree(other) if other.is_dir() and not other.is_symlink() else other.unlink()


@contextmanager
def only_one(folder: Path, *, name: str) -> Iterator[None]:
    """Keep a second search of the same study away; gone with the process, however it ends. Raises SetupError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "running").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise SetupError(
                f"The search {name!r} is running already, as process {file.read().strip() or '?'}. Let it end, or give "
                "this one another name: name=..."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
