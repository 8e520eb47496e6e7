"""Another process, in which sets and hash() have another order: what is fitted or read there must be the same."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SERVE = """
import json, os, sys, traceback
from importlib.metadata import EntryPoint
from pathlib import Path

def fit(modality, order):
    modality.fit(order["cells"], Path(order["base"]))
    modality.save(Path(order["folder"]))

def rows(source, order):
    return [dict(row) for row in source.rows()]

answers, sys.stdout = sys.stdout, sys.stderr  # whatever a plugin prints is no answer
for line in sys.stdin:
    order = json.loads(line)
    sys.path[:] = order["path"]
    os.chdir(order["within"])
    try:
        from mmcore.registry.settings import check_settings  # it may lie where the path above says
        plugin = EntryPoint("it", order["target"], "it").load()
        made = plugin(**check_settings(plugin, order["settings"], where="it"))
        answer = {"found": {"fit": fit, "rows": rows}[order["what"]](made, order), "error": None}
        text = json.dumps(answer)
    except Exception:
        text = json.dumps({"found": None, "error": traceback.format_exc()})
    print(text, file=answers, flush=True)
"""


def fit_elsewhere(order: Mapping[str, Any]) -> str | None:
    """Fit and save a modality in the other process; returns the traceback where that failed.

    order: target (the entry point's value), settings, cells, base, folder (an existing one, which is saved into).
    """
    error: str | None = _answer({**order, "what": "fit"})["error"]
    return error


def rows_elsewhere(order: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """The rows of a source as the other process reads them, and the traceback where that failed.

    order: target (the entry point's value), settings.
    """
    answer = _answer({**order, "what": "rows"})
    return answer["found"] or [], answer["error"]


def _answer(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """`found` and `error`; the other process works in the folder where this one does."""
    process = _process()
    assert process.stdin is not None, "the process was started with pipes"
    assert process.stdout is not None, "the process was started with pipes"
    where = {"path": [path for path in sys.path if path], "within": str(Path.cwd())}
    process.stdin.write(json.dumps({**order, **where}) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        _process.cache_clear()
        return {"found": None, "error": f"the process ended with {process.wait()}"}
    found: Mapping[str, Any] = json.loads(answer)
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
