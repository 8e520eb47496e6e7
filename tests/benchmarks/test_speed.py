"""The table of speed: how a row is judged, and that its parts can be measured."""

import gzip
import json
import subprocess
import sys

import pytest
import torch
from speed import PARTS, show
from timing import clip, elsewhere, multimodal
from timing.pairs import in_turns, interval, not_measured, row

from tests.benchmarks.conftest import ROOT

KEYS = {"what", "ours", "reference", "ratio", "spread", "goal", "met"}


def test_a_row_is_met_where_its_interval_reaches_the_goal():
    ours, reference = [1.0, 1.0, 1.0, 1.0], [1.8, 2.2, 2.0, 2.0]
    assert row("x", ours, reference, goal=2.1)["met"]
    assert not row("x", ours, reference, goal=2.3)["met"]
    assert row("x", ours, reference, goal=2.0)["ratio"] == 2.0
    low, high = interval([1.8, 2.2, 2.0, 2.0])
    assert 1.8 <= low < high <= 2.2


def test_turns_alternate_and_the_first_ones_do_not_count():
    calls = []
    ours, reference = in_turns(lambda: calls.append("A"), lambda: calls.append("B"), turns=3)
    assert "".join(calls) == "ABABABAB"
    assert len(ours) == len(reference) == 3


def test_what_was_not_measured_says_why():
    one = not_measured("x", goal=2.0, why="there is no GPU")
    assert one.keys() >= KEYS
    assert "not measured: there is no GPU" in show(one)


@pytest.mark.parametrize("part", ["trainer", "clip"])
def test_what_is_compared_with_may_be_missing(part, monkeypatch):
    monkeypatch.setattr(elsewhere, "BESIDE", elsewhere.ROOT / ".mm" / "nothing is here")
    found = PARTS[part](quick=True)
    assert found
    assert all(one["met"] is None and "make bench" in one["why"] for one in found)


def test_autogluon_has_an_environment_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("timing.multimodal.AUTOGLUON", tmp_path / "python")
    (one,) = PARTS["multimodal"](quick=True)
    assert (one["met"], "make bench-autogluon" in one["why"]) == (None, True)


@pytest.mark.slow
def test_our_side_of_what_is_beside_others_runs():
    with clip.pairs(16) as folder:
        told = clip.measured("ours", folder, frozen=True, turn=0)
    assert told["epoch_s"] > 0
    assert told["MiB"] > 100
    with multimodal.table(12) as folder:
        multimodal.alone([sys.executable, multimodal.__file__], folder)
        assert (folder / "artifacts" / "metrics.json").exists()


@pytest.mark.parametrize(
    "part",
    [
        "find",
        pytest.param("loop", marks=pytest.mark.slow),
        pytest.param("encode", marks=pytest.mark.slow),
        pytest.param("remote", marks=pytest.mark.slow),
        pytest.param("gradcache", marks=pytest.mark.slow),
    ],
)
def test_a_part_can_be_measured(part):
    threads = torch.get_num_threads()
    found = PARTS[part](quick=True)
    torch.set_num_threads(threads)
    assert all(one.keys() >= KEYS and part and show(one) for one in found)
    assert any(one["ratio"] for one in found)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_benchmark_says_that_it_has_not_run():
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / "gpu.py", "--json"], capture_output=True, text=True)
    (one,) = json.loads(done.stdout)
    assert (one["met"], "has not run" in one["why"]) == (None, True)


@pytest.mark.slow  # a process of its own, which builds and trains
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_a_gpu_would_be_asked_runs_on_a_cpu_and_leaves_a_trace(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "gpu.py", "--rehearse", "--only", "texts", "--trace", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["ours"] > 0 and row["met"] is None for row in rows] == [True, True]
    (trace,) = tmp_path.iterdir()
    assert json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
