"""The variables that Prefect, DVC and the stages are run with; the one place that sets them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
SERVED = "MM_SERVED_CLONE"
PROXIED = ("http", "https", "all")
HERE = ("127.0.0.1", "localhost")


def settle() -> None:
    """Fill in what the caller's environment does not say: state inside the clone, telemetry off."""
    for name, value in _defaults(CLONE).items():
        os.environ.setdefault(name, value)
    os.environ.update(_past_proxies(os.environ))


def _past_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """What has programs call this machine itself, as Prefect's do all the time, and no proxy that cannot reach it."""
    if not any(environment.get(form(f"{kind}_proxy")) for kind in PROXIED for form in (str, str.upper)):
        return {}  # nor said for nothing: on macOS it would hide the proxies of the system's settings
    said = dict[str, str]()
    for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        hosts = (environment.get(name) or environment.get(other) or "").split(",")
        missing = [host for host in HERE if host not in map(str.strip, hosts) and hosts != ["*"]]
        said[name] = ",".join([*filter(None, hosts), *missing])
    return said


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
