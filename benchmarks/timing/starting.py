"""What a user waits for before anything happens: commands that answer, and flows that find nothing to do."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from timing.pairs import in_turns, row, timed

ROOT = Path(__file__).parents[2]
COMMANDS = ((["--help"], 0.3), (["compose"], 1.0), (["plugins"], 1.0))
BEYOND_S = 1.0
"""What a flow may take beyond an empty one."""
EMPTY = """
import flows
from prefect import flow
from flows.server import ensure_api
ensure_api()
flow(lambda: None, name="nothing")()
"""


def start_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Seconds until a command has answered beside those that it may take."""
    turns, found = 2 if quick else 9, list[dict[str, Any]]()
    with project() as (root, environment):
        for words, most in COMMANDS:
            work = run_of([sys.executable, "-c", "from mmcore.cli.main import main; main()", *words], root, environment)
            work()
            mine = [timed(work) for _ in range(turns)]
            found.append(row(f"start: mm {' '.join(words)}, beside what it may take", mine, [most] * turns, goal=1.0))
    return found


def flow_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Seconds of a flow that has nothing to do, beyond one that does nothing. `make run` is the second."""
    found = list[dict[str, Any]]()
    with project() as (root, environment):
        for module in ("flows.pipeline", "flows.retrain"):
            work = run_of([sys.executable, "-m", module], root, environment)
            empty = run_of([sys.executable, "-c", EMPTY], root, environment)
            mine, theirs = in_turns(work, empty, turns=1 if quick else 3)
            beyond = [max(a - b, 0.001) for a, b in zip(mine, theirs, strict=True)]
            what = f"start: {module} with nothing to do, beyond an empty Prefect flow, beside what it may take"
            found.append(row(what, beyond, [BEYOND_S] * len(beyond), goal=1.0))
    return found


@contextmanager
def project() -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A repository with conf/, params.yaml and three stages that are up to date; and the environment to run in."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        root.mkdir()
        # Compiled modules are kept, as they are for a user, and apart from what is there.
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": f"{folder}/compiled",
            "PREFECT_HOME": f"{folder}/prefect",
            "DVC_SITE_CACHE_DIR": f"{folder}/site",
        }
        shutil.copytree(ROOT / "conf", root / "conf")
        shutil.copy(ROOT / "params.yaml", root)
        (root / "in.txt").write_text("one\n", encoding="utf-8")
        stages = {f"s{n}": {"cmd": f"cp in.txt out{n}", "deps": ["in.txt"], "outs": [f"out{n}"]} for n in range(3)}
        (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
        for command in (
            ["git", "init", "-q"],
            [sys.executable, "-m", "dvc", "init", "-q"],
            ["git", "add", "-A"],
            ["git", "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "-m", "x"],
            [sys.executable, "-m", "flows.pipeline"],
        ):
            run_of(command, root, environment)()
        yield root, environment


def run_of(command: Sequence[str], root: Path, environment: Mapping[str, str]) -> Callable[[], None]:
    """Runs a command to its end, which has to be a good one."""

    def work() -> None:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"

    return work
