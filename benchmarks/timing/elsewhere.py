"""Packages that are compared with and not used: they lie in folders of their own, which `make bench` fills."""

from importlib.machinery import PathFinder
from pathlib import Path

ROOT = Path(__file__).parents[2]
BESIDE = ROOT / ".mm" / "bench" / "beside"
AUTOGLUON = ROOT / ".mm" / "bench" / "autogluon" / "bin" / "python"
"""An interpreter with versions of its own."""


def lacks(package: str) -> str | None:
    """Why a package cannot be compared with; None where it can."""
    if PathFinder.find_spec(package, [str(BESIDE)]):
        return None
    return f"{package} is not in {BESIDE.relative_to(ROOT)}, make bench puts it there"
