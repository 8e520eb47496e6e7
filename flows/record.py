"""What the schedule keeps between runs: a lock, and what the last run found."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from flows.lockfile import replace_text
from flows.locks import hold

STATE = Path(".mm", "schedule")


def one_at_a_time(clone: Path, *, name: str = "run") -> AbstractContextManager[None]:
    """Hold the clone for one run. Raises SetupError where another holds it."""
    return hold(clone / STATE / f"{name}.lock", name, mend="Wait for it, or end it.")


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
    replace_text(path, json.dumps(record, indent=2) + "\n")
