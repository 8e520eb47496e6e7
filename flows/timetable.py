"""conf/schedule.yaml as frozen settings: when what is retrained, what is kept, who is told."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints
from zoneinfo import ZoneInfo

import yaml

from flows.options import LAST_PORT
from mmcore.errors import ConfigError, listing, near_miss

FILE = Path("conf", "schedule.yaml")
KINDS = ("failed", "missed", "done")


@dataclass(frozen=True)
class Keep:
    """What is left when things are cleared away."""

    days: float = 30
    size_gib: float = 50
    worktrees: int = 3


@dataclass(frozen=True)
class Notify:
    """Who is told of what."""

    about: tuple[str, ...] = ("failed", "missed")
    webhook: str | None = None
    command: str | None = None
    grace_min: float = 30


@dataclass(frozen=True)
class Server:
    """Prefect's server and the pool that workers take their runs from."""

    host: str = "127.0.0.1"
    port: int = 4200
    database: str | None = None
    pool: str = "retraining"
    runs: int = 1


@dataclass(frozen=True)
class Timetable:
    """What each key means stands in conf/schedule.yaml."""

    cron: str | None = "0 2 * * *"
    check: str | None = "*/15 * * * *"
    timezone: str = "UTC"
    ref: str = "HEAD"
    fetch: str | None = None
    share: tuple[str, ...] = ()
    release: bool | None = None
    jobs: int = 2
    timeout_h: float = 12
    remote: str | None = None
    keep: Keep = Keep()
    notify: Notify = Notify()
    server: Server = Server()


def read_timetable(root: Path) -> Timetable:
    """The defaults where the file is not there. Raises ConfigError that names the key at fault."""
    path = root / FILE
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{FILE} is not YAML: {error}") from error
    timetable: Timetable = _read(Timetable, given or {}, where="")
    _check(timetable)
    return timetable


def _read(kind: type[Any], given: Any, *, where: str) -> Any:
    """A dataclass from a mapping; its fields' annotations are the schema."""
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where or 'The whole'} in {FILE} is {given!r}. It takes keys: {_names(kind)}.")
    hints, values = get_type_hints(kind), dict[str, Any]()
    for key, value in given.items():
        if key not in hints:
            raise ConfigError(
                f"{FILE} has a key {where}{key!r}.{near_miss(str(key), hints)} There are: {_names(kind)}."
            )
        values[key] = _value(hints[key], value, where=f"{where}{key}")
    return kind(**values)


def _value(hint: Any, value: Any, *, where: str) -> Any:
    if isinstance(hint, type) and hint.__module__ == __name__:
        return _read(hint, {} if value is None else value, where=f"{where}.")
    if hint == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ConfigError(f"{where} in {FILE} is {value!r}. It takes a list.")
    kinds = get_args(hint) or (hint,)
    allowed = (*kinds, int) if float in kinds else kinds
    if isinstance(value, allowed) and (bool in kinds or not isinstance(value, bool)):
        return value
    names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
    raise ConfigError(f"{where} in {FILE} is {value!r}. It takes {names}.")


def _check(timetable: Timetable) -> None:
    try:
        ZoneInfo(timetable.timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"timezone in {FILE} is {timetable.timezone!r}, which is none. As Europe/Berlin, or UTC."
        ) from error
    if unknown := set(timetable.notify.about) - set(KINDS):
        raise ConfigError(f"notify.about in {FILE} has {listing(unknown)}. There are: {', '.join(KINDS)}.")
    least = {
        "jobs": (timetable.jobs, 1), "server.runs": (timetable.server.runs, 1), "keep.days": (timetable.keep.days, 1),
        "keep.size_gib": (timetable.keep.size_gib, 0), "keep.worktrees": (timetable.keep.worktrees, 0),
        "notify.grace_min": (timetable.notify.grace_min, 1),
    }  # fmt: skip
    for key, (value, smallest) in least.items():
        if value < smallest:
            raise ConfigError(f"{key} in {FILE} is {value}. It takes {smallest} or more.")
    if not 1 <= timetable.server.port <= LAST_PORT:
        raise ConfigError(f"server.port in {FILE} is {timetable.server.port}. It takes 1 to {LAST_PORT}.")
    if not timetable.timeout_h > 0:
        raise ConfigError(f"timeout_h in {FILE} is {timetable.timeout_h}. It takes more than 0.")


def _names(kind: type[Any]) -> str:
    return ", ".join(field.name for field in fields(kind))
