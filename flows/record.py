"""What the schedule keeps between runs: a lock, and what the last run found."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmcore.errors import SetupError

STATE = Path(".mm", "schedule")


@contextmanager
def one_at_a_time(clone: Path, *, name: str = "run") -> Iterator[None]:
    """Hold the clone for one run. Raises SetupError where another holds it; who is killed holds nothing."""
    path = clone / STATE / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise SetupError(
                f"Another {name} (process {file.read().strip() or 'unknown'}) is at work in {clone}. Wait for it, or "
                "end it."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def read_record(clone: Path, name: str = "last") -> Mapping[str, Any]:
    """Nothing where there is none, or where a full disk left half of it."""
    try:
        record = json.loads((clone / STATE / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(clone: Path, record: Mapping[str, Any], name: str = "last") -> None:
    """Whole or not at all."""
    path = clone / STATE / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)
