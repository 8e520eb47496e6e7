"""Killed at any moment and started again, a training ends with the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from mmcore.errors import Interrupted, TrainingError
from mmcore.training import checkpoint
from mmcore.training.checkpoint import Checkpoints
from tests.training import toy


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    first, _ = toy.run(tmp_path / "a", toy.settings(epochs=1))
    again, _ = toy.run(tmp_path / "b", toy.settings(epochs=1))
    other, _ = toy.run(tmp_path / "c", toy.settings(epochs=1, seed=1))
    assert equal(toy.weights(first), toy.weights(again))
    assert not equal(toy.weights(first), toy.weights(other))


@pytest.mark.parametrize("after", [1, 12, 13, 31])
def test_a_signal_stops_after_the_step_and_the_training_goes_on_to_the_same_weights(tmp_path: Path, after: int) -> None:
    whole, curves = toy.run(tmp_path / "whole", toy.settings(checkpoint_every_s=1e9))
    steps = iter(range(1, 10_000))
    with pytest.raises(Interrupted, match=r"signal 15") as stopped:
        toy.run(
            tmp_path / "cut",
            toy.settings(checkpoint_every_s=1e9),
            stop=lambda: signal.SIGTERM if next(steps) == after else None,
        )
    assert stopped.value.signal == signal.SIGTERM
    resumed, resumed_curves = toy.run(tmp_path / "cut", toy.settings(checkpoint_every_s=1e9))
    assert equal(toy.weights(whole), toy.weights(resumed))
    assert curves == resumed_curves


def test_an_epoch_whose_end_was_written_and_not_told_of_is_told_of_by_the_next_try(tmp_path: Path) -> None:
    told = list[float]()

    def killed(row: Mapping[str, float]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt
        told.append(row["epoch"])

    with pytest.raises(KeyboardInterrupt):
        toy.run(tmp_path, toy.settings(epochs=3), each_epoch=killed)
    toy.run(tmp_path, toy.settings(epochs=3), each_epoch=lambda row: told.append(row["epoch"]))
    assert told == [1, 2, 3]


def test_accumulated_batches_resume_too(tmp_path: Path) -> None:
    whole, _ = toy.run(tmp_path / "whole", toy.settings(accumulate=5, epochs=2))
    steps = iter(range(1, 100))
    with pytest.raises(Interrupted):
        toy.run(tmp_path / "cut", toy.settings(accumulate=5, epochs=2), stop=lambda: 2 if next(steps) == 4 else None)
    resumed, _ = toy.run(tmp_path / "cut", toy.settings(accumulate=5, epochs=2))
    assert equal(toy.weights(whole), toy.weights(resumed))


@pytest.mark.slow  # starts Python, torch and Fabric several times
def test_sigkill_at_random_moments_changes_no_byte(tmp_path: Path) -> None:
    script = [sys.executable, toy.__file__]
    subprocess.run([*script, tmp_path / "whole", tmp_path / "whole.safetensors"], check=True)
    moments, killed = random.Random(0), 0
    for _ in range(4):
        process = subprocess.Popen([*script, tmp_path / "cut", tmp_path / "cut.safetensors"])
        while process.poll() is None and not list((tmp_path / "cut").glob("step-*")):
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.15))
        killed += process.poll() is None
        process.kill()
        process.wait()
    assert killed >= 2, "the training ended before it could be killed"
    subprocess.run([*script, tmp_path / "cut", tmp_path / "cut.safetensors"], check=True)
    assert (tmp_path / "whole.safetensors").read_bytes() == (tmp_path / "cut.safetensors").read_bytes()


def test_a_full_disk_keeps_the_older_checkpoint_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = toy.run(tmp_path / "whole", toy.settings())
    real, calls = checkpoint.save_tensors, iter(range(1, 10_000))

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if next(calls) == 9:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_tensors", full)
    with pytest.raises(TrainingError, match=r"step 9 .*No space left.*The one of step 8 stays.*start again"):
        toy.run(tmp_path / "cut", toy.settings())
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["step-0000000008-epoch-000000"]
    monkeypatch.undo()
    resumed, _ = toy.run(tmp_path / "cut", toy.settings())
    assert equal(toy.weights(whole), toy.weights(resumed))


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "step-0000000003"
    folder.mkdir()
    (folder / "state.safetensors").write_bytes(b"junk")
    (folder / "position.json").write_text("{}")
    assert Checkpoints(tmp_path).load() is None


def test_a_kill_while_the_end_of_an_epoch_is_written_leaves_the_checkpoint_of_the_same_step_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Path) -> None:
        raise KeyboardInterrupt

    at = Checkpoints(tmp_path)
    at.save(12, {"a": torch.ones(1)}, {"epoch": 0, "batch": 12})
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", kill)
        patched.setattr(os, "getpid", lambda: 2**22 + 1)  # more than Linux gives, so that nobody has it afterwards
        with pytest.raises(KeyboardInterrupt):
            at.save(12, {"a": torch.ones(1)}, {"epoch": 1, "batch": 0})
    assert list(tmp_path.glob("unfinished-*"))
    found = at.load()
    assert found is not None
    assert found[1] == {"epoch": 0, "batch": 12}
    assert not list(tmp_path.glob("unfinished-*")), "nobody is going to finish it"
    at.save(12, {"a": torch.ones(1)}, {"epoch": 1, "batch": 0})
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000000012-epoch-000001"]


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    writing = tmp_path / f"unfinished-{os.getppid()}"
    writing.mkdir()
    assert Checkpoints(tmp_path).load() is None
    assert writing.exists()
