"""What work costs as rows grow: seconds a row, and memory, of the stages one by one."""

# Run as a script it is one stage in a process of its own, so that its memory is its own.

import json
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from mmcore.config.params import load_params
from mmcore.config.update import update
from mmcore.registry.plugins import installed
from mmcore.stages.paths import Paths
from timing.chunks import alone, memory
from timing.pairs import row

ROOT = Path(__file__).parents[2]
SIZES = (1_000, 10_000, 100_000)
STAGES = (("ingest", None), ("fit", "text"), ("fit", "label"), ("encode", "text"), ("encode", "label"),
          ("features", "text"), ("features", "label"), ("join", None), ("train", None))  # fmt: skip
JUDGED = ("ingest", "encode", "train")
LINEAR, CONSTANT = 0.8, 0.8
CHOICES = (
    "experiment=table", "data.source.path=rows.csv", "data.group=text", "data.max_broken=0.5",
    "fields={text: text/ngrams, label: category}", "training.epochs=1", "training.batch_size=64",
    "training.compile=off",
)  # fmt: skip


def growth_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Ten times the rows: ten times the seconds at most, and memory that hardly grows."""
    sizes = (300, 1000) if quick else SIZES
    told = {size: measured(size) for size in sizes}
    found = list[dict[str, Any]]()
    for stage in dict.fromkeys(name for name, _ in STAGES):
        for few, many in pairwise(sizes):
            each = [1e6 * told[size][stage]["s"] / size for size in (many, few)]
            what = f"{stage}: microseconds a row at {many:,} rows, beside {few:,}"
            found.append(row(what, each[:1], each[1:], goal=LINEAR, unit="us"))
    for stage in JUDGED:
        few, many = sizes[-2:]
        mib = [told[size][stage]["MiB"] for size in (many, few)]
        found.append(
            row(f"{stage}: memory at {many:,} rows, beside {few:,}", mib[:1], mib[1:], goal=CONSTANT, unit="MiB")
        )
    return found


def measured(rows: int) -> dict[str, dict[str, float]]:
    """Seconds of each stage, and MiB beyond what its process had; of one for each field the sum, and the most."""
    found = dict[str, dict[str, float]]()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "conf").symlink_to(ROOT / "conf")
        with (root / "rows.csv").open("w", encoding="utf-8") as file:
            file.write("text,label\n")
            file.writelines(f"word{n % 997} and word{n % 89} {n},{'ab'[n % 2]}\n" for n in range(rows))
        update(root, CHOICES, plugins=installed(), force=True)
        for stage, field in STAGES:
            command = [sys.executable, __file__, stage, *([field] if field else [])]
            done = subprocess.run(command, cwd=root, env=alone(), capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{stage} {field}: {done.stderr[-2000:]}"
            one, before = json.loads(done.stdout.splitlines()[-1]), found.get(stage, {"s": 0.0, "MiB": 0.0})
            found[stage] = {"s": before["s"] + one["s"], "MiB": max(before["MiB"], one["MiB"])}
    return found


def run_stage(name: str, field: str | None) -> dict[str, float]:
    """One stage in the working folder."""
    stage, given = import_module(f"mmcore.stages.{name}"), {} if field is None else {"field": field}
    paths = Paths(Path())
    params = load_params(paths.params, [key.format(**given) for key in stage.READS])
    start, before = time.perf_counter(), memory("VmRSS")
    stage.run(params, paths, **given)
    return {"s": time.perf_counter() - start, "MiB": max(1.0, memory("VmHWM") - before)}


if __name__ == "__main__":
    print(json.dumps(run_stage(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)))
