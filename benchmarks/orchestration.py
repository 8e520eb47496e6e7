"""What it costs to let Prefect order DVC's stages, against `dvc repro` of the same stages in turns with it.

Each turn makes a new project and lets both bring it up to date, or find it so. Starting Python and Prefect's server is
left out on both sides: a flow does it once, whatever the number of stages. A row gives the median of the turns.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # flows is no installed package

import flows  # noqa: F401  first: it says where Prefect and DVC keep their state

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="mmcore-benchmark-")

import yaml
from dvc.repo import Repo

from flows.pipeline import run_pipeline
from flows.retrain import is_up_to_date

STAGES, SECONDS, JOBS = 8, 2.0, 8
GOAL_SIDE_BY_SIDE = 1.3  # times the ideal
GOAL_OVERHEAD_MS = 100.0


@contextmanager
def project(count: int, command: str) -> Iterator[Path]:
    """A new repository in the working folder, with so many independent stages; `{}` in the command is the stage's."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run(["git", "init", "-q"], check=True)
        Repo.init().close()
        Path("in.txt").write_text("one\n", encoding="utf-8")
        stages = {f"s{i}": {"cmd": command.format(i), "deps": ["in.txt"], "outs": [f"out{i}"]} for i in range(count)}
        Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False), encoding="utf-8")
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours(jobs: int) -> None:
    assert all(outcome.status.good for outcome in run_pipeline(jobs=jobs, force=False)), "a stage failed"


def theirs() -> None:
    with Repo() as repo:
        repo.reproduce()


def forget() -> None:
    """As if nothing had run: neither outputs nor what DVC remembers of runs."""
    for path in [*Path.cwd().glob("out*"), Path("dvc.lock")]:
        path.unlink(missing_ok=True)
    shutil.rmtree(Path(".dvc", "cache"), ignore_errors=True)


def row(
    what: str, pairs: list[tuple[float, float]], *, goal: float, value: float, least: bool, digits: int = 2
) -> dict[str, object]:
    """ratio: how many times as long the reference takes; `value` is held against the goal."""
    ratios = sorted(reference / mine for mine, reference in pairs)
    return {
        "what": what,
        "ours": round(statistics.median(mine for mine, _ in pairs), digits),
        "reference": round(statistics.median(reference for _, reference in pairs), digits),
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(ratios[len(ratios) // 4], 2), round(ratios[3 * len(ratios) // 4], 2)],
        "goal": goal,
        "met": bool(value >= goal if least else value <= goal),
    }


def side_by_side(turns: int) -> dict[str, object]:
    pairs = list[tuple[float, float]]()
    with project(STAGES, f"sleep {SECONDS}; cp in.txt out{{}}"):
        for _ in range(turns):
            forget()
            mine = timed(lambda: ours(JOBS))
            forget()
            pairs.append((mine, timed(theirs)))
    ideal = SECONDS * STAGES / JOBS
    mine = statistics.median(mine for mine, _ in pairs)
    what = f"{STAGES} stages of {SECONDS:g} s, {JOBS} jobs, in s; goal: {GOAL_SIDE_BY_SIDE} times the ideal {ideal:g} s"
    return row(what, pairs, goal=round(GOAL_SIDE_BY_SIDE * ideal, 2), value=mine, least=False)


def nothing_to_do(count: int, turns: int) -> dict[str, object]:
    pairs = list[tuple[float, float]]()
    with project(count, "cp in.txt out{}"):
        theirs()
        for _ in range(turns):
            mine = timed(lambda: _assert(is_up_to_date()))
            pairs.append((1000 * mine, 1000 * timed(theirs)))
    ratio = statistics.median(reference / mine for mine, reference in pairs)
    return row(f"nothing to do, {count} stages, in ms", pairs, goal=1.0, value=ratio, least=True, digits=0)


def overhead(count: int, turns: int) -> dict[str, object]:
    """Of a stage that does next to nothing, what Prefect adds to what our way of running a stage costs by itself."""
    pairs = list[tuple[float, float]]()
    with project(count, "cp in.txt out{}"):
        for _ in range(turns):
            forget()
            mine = timed(lambda: ours(1))
            forget()
            pairs.append((1000 * mine / count, 1000 * timed(theirs) / count))
    more = statistics.median(mine - reference for mine, reference in pairs)
    what = f"one short stage of {count}, in ms; the goal is at most {GOAL_OVERHEAD_MS:g} ms more than dvc repro"
    return row(what, pairs, goal=GOAL_OVERHEAD_MS, value=more, least=False, digits=0)


def _assert(found: bool) -> None:
    assert found, "there was something to do"


def measure(*, quick: bool) -> list[dict[str, object]]:
    """Every row of the table."""
    with project(1, "cp in.txt out{}"):
        ours(1)  # starts Prefect's server, and makes its tables
    turns = 1 if quick else 5
    return [
        side_by_side(turns),
        nothing_to_do(10, 3 * turns),
        nothing_to_do(200, turns),
        overhead(10 if quick else 30, turns),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    parser.add_argument("--json", action="store_true", help="rows for programs")
    options = parser.parse_args()
    rows = measure(quick=options.quick)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join("  ".join(f"{key}: {value}" for key, value in one.items()) for one in rows))
