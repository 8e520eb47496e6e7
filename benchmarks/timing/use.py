"""What a user waits for beside training: finding, writing, starting, and how work grows."""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.predictor.vectors import nearest
from timing.pairs import in_turns, not_measured, row

ROOT = Path(__file__).parents[2]


def find_rows(*, quick: bool) -> list[dict[str, Any]]:
    """The nearest 10 of 100,000 vectors of 256 numbers; the same ids, one thread each."""
    draw, found = np.random.default_rng(0), list[dict[str, Any]]()
    vectors = draw.normal(size=(10_000 if quick else 100_000, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for count in (1, 64):
        asked = vectors[:count] + draw.normal(size=(count, 256)).astype(np.float32) * 0.01

        def by_numpy(asked: np.ndarray = asked) -> np.ndarray:
            return np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :10]

        assert np.array_equal(nearest(vectors, asked, top=10)[0], by_numpy()), "other ids than numpy's"
        turns = 3 if quick else 15
        mine, theirs = in_turns(lambda a=asked: nearest(vectors, a, top=10), by_numpy, turns=turns)
        what = f"find among {len(vectors):,} vectors, {count} at once, beside"
        found.append(row(f"{what} numpy's argsort", mine, theirs, goal=1.0, unit="ms", scale=1000))
        if find_spec("faiss") is None:
            found.append(not_measured(f"{what} faiss Flat", goal=1.0, why="faiss is not installed (extra: bench)"))
            continue
        import faiss

        faiss.omp_set_num_threads(1)
        index = faiss.IndexFlatIP(256)
        index.add(vectors)
        mine, theirs = in_turns(
            lambda a=asked: nearest(vectors, a, top=10), lambda a=asked, i=index: i.search(a, 10), turns=turns
        )
        found.append(row(f"{what} faiss Flat", mine, theirs, goal=1.0, unit="ms", scale=1000))
    return found


def start_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Seconds until a command has answered; the reference is a Python that does nothing."""
    found = list[dict[str, Any]]()
    bare = [sys.executable, "-c", "pass"]
    for words, goal in ((["--help"], 0.3), (["compose", "--check"], 1.0), (["plugins"], 1.0)):
        command = [sys.executable, "-c", "from mmcore.cli.main import main; main()", *words]
        mine, theirs = in_turns(lambda c=command: _quiet(c), lambda: _quiet(bare), turns=2 if quick else 7)
        one = row(f"start: mm {' '.join(words)}, at most {goal} s", mine, theirs, goal=goal)
        found.append({**one, "met": min(mine) <= goal if quick else one["ours"] <= goal})
    return found


def _quiet(command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)


GROWTH = """
import json, resource, sys, time
from pathlib import Path
from mmcore.config.params import Params
from mmcore.stages import encode, fit, ingest
from mmcore.stages.paths import Paths
root, rows = Path(sys.argv[1]), int(sys.argv[2])
root.mkdir()
with (root / "rows.csv").open("w") as file:
    file.write("text,label\\n")
    file.writelines(f"word{n % 997} and word{n % 89} {n},{'ab'[n % 2]}\\n" for n in range(rows))
text = {"name": "text", "kind": "character", "vocabulary_size": 64, "max_tokens": 32}
field = {"code": "x", "like": None, "package": None, "encoder_package": None, "frozen": False, "features": "off"}
fields = {
    "text": {**field, "column": "text", "modality": text, "fit": ["text"], "encoder": {"name": "rnn"}},
    "label": {**field, "column": "label", "modality": {"name": "category"}, "fit": ["label"], "encoder": None},
}
source = {"name": "table", "path": str(root / "rows.csv")}
values = {"data": {"source": source, "code": "x", "watch": "x", "group": "text"}, "fields": fields}
found, paths = {}, Paths(root)
for stage, names in ((ingest, [None]), (fit, list(fields)), (encode, list(fields))):
    start = time.perf_counter()
    for name in names:
        params = Params(values, [key.format(field=name) for key in stage.READS])
        stage.run(params, paths, **({} if name is None else {"field": name}))
    found[stage.__name__.split(".")[-1]] = time.perf_counter() - start
found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(found))
"""


def growth_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Ten times the rows: ten times the seconds at most, and memory that hardly grows."""
    import json

    few, many = (200, 2000) if quick else (10_000, 100_000)
    told = list[dict[str, float]]()
    with tempfile.TemporaryDirectory() as folder:
        for rows in (few, many):
            command = [sys.executable, "-c", GROWTH, str(Path(folder) / str(rows)), str(rows)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-2000:]
            told.append(json.loads(done.stdout.splitlines()[-1]))
    found = list[dict[str, Any]]()
    for stage in ("ingest", "fit", "encode"):
        each = [1e6 * one[stage] / rows for one, rows in zip(told, (few, many), strict=True)]
        one = row(
            f"{stage}: microseconds a row at {many:,} rows beside {few:,}", [each[1]], [each[0]], goal=0.9, unit="us"
        )
        found.append(one)
    memory = [one["memory"] / 1024 for one in told]
    one = row(
        f"ingest, fit, encode: memory at {many:,} rows beside {few:,}", [memory[1]], [memory[0]], goal=0.8, unit="MiB"
    )
    return [*found, one]


def beside_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Two processes of one thread each, beside one after another."""
    work = "import torch; torch.set_num_threads(1); a = torch.rand(400, 400)\nfor _ in range(%d): a = (a @ a).tanh()"
    command = [sys.executable, "-c", work % (200 if quick else 4000)]

    def together() -> None:
        for process in [subprocess.Popen(command) for _ in range(2)]:
            process.wait()

    def apart() -> None:
        for _ in range(2):
            subprocess.run(command, check=True)

    mine, theirs = in_turns(together, apart, turns=1 if quick else 5)
    return [row("two processes side by side on two cores, beside one after another", mine, theirs, goal=1.8)]
