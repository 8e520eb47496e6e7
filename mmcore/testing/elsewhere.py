"""Another process, in which sets and hash() have another order: what is fitted there must come out the same."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

SERVE = """
import json, sys, traceback
from importlib.metadata import EntryPoint
from pathlib import Path

answers, sys.stdout = sys.stdout, sys.stderr  # whatever a plugin prints is no answer
for line in sys.stdin:
    order, error = json.loads(line), None
    sys.path[:] = order["path"]
    try:
        modality = EntryPoint("it", order["target"], "it").load()(**order["settings"])
        modality.fit(order["cells"], Path(order["base"]))
        modality.save(Path(order["folder"]))
    except Exception:
        error = traceback.format_exc()
    print(json.dumps(error), file=answers, flush=True)
"""


def fit_elsewhere(order: Mapping[str, Any]) -> str | None:
    """Fit and save a modality in the other process; returns the traceback where that failed.

    order: target (the entry point's value), settings, cells, base, folder (an existing one, which is saved into).
    """
    process = _process()
    assert process.stdin is not None, "the process was started with pipes"
    assert process.stdout is not None, "the process was started with pipes"
    process.stdin.write(json.dumps({**order, "path": [path for path in sys.path if path]}) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        _process.cache_clear()
        return f"the process ended with {process.wait()}"
    found: str | None = json.loads(answer)
    return found


@cache
def _process() -> subprocess.Popen[str]:
    """Started once for all tests: each would wait seconds for torch."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    atexit.register(_stop, process)
    return process


def _stop(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()
