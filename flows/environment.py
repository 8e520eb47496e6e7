"""The variables that Prefect, DVC and the stages are run with; the one place that sets them."""

import os
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
SERVED = "MM_SERVED_CLONE"


def settle() -> None:
    """Fill in what the caller's environment does not say: state inside the clone, telemetry off."""
    for name, value in _defaults(CLONE).items():
        os.environ.setdefault(name, value)


def _defaults(clone: Path) -> dict[str, str]:
    return {
        "PREFECT_HOME": str(clone / ".prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        # DVC would keep its table of known hashes under /var/tmp. Not in .dvc/config: a relative path there starts at
        # whatever folder `dvc` is called in.
        "DVC_SITE_CACHE_DIR": str(clone / ".dvc" / "tmp" / "site"),
        # Stages print their own lines in the terminal; Prefect's news go to its log, and only warnings beside ours.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    }


def served_clone() -> Path:
    """The clone that the schedule retrains: where `make serve` was called."""
    return Path(os.environ.get(SERVED, CLONE))


def for_stages() -> dict[str, str]:
    """What the commands of stages get on top: the programs of this interpreter's environment first, output at once."""
    # Not resolved: in a virtual environment the interpreter is a link to one that has none of its programs.
    programs = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        # What a stage prints goes through a pipe, where programs take a line to be 80 characters long and break it.
        "COLUMNS": os.environ.get("COLUMNS", "160"),
    }


def python_module(name: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", name]
