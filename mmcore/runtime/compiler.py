"""What torch.compile needs on a GPU and does not bring along."""

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path


def lacks_compiler() -> str | None:
    """What Triton builds its programs with and is not here, with what to do about it; None where all is there."""
    if find_spec("triton") is None:
        return "the package triton is not installed, which torch for a GPU brings along: install that torch"
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return "there is no C compiler: install gcc or clang, or name one in CC"
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        return f"Python's headers are not in {headers}: install python3-dev, or the package of that kind"
    return None
