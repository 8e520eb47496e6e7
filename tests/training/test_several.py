"""Several processes, each with a part of every batch, end with the weights of one that has it all."""

import shutil
from pathlib import Path

import pytest
import torch

from mmcore.model.weights import load_tensors
from tests.training import several

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # every process imports torch and Fabric

CASES = [
    *several.CASES,
    *(f"{case}-divided" for case in ("accumulated", "siglip-in-chunks", "several-tasks")),
    *(f"{case}-divided" for case in ("scale-that-stops", "scale-that-waits", "one-wide", "rare-gaps")),
]
CLOSE = {"rtol": 1e-4, "atol": 2e-5}
"""After 8 steps of Adam in float32: sums come in another order."""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of every case."""
    folder = tmp_path_factory.mktemp("two")
    several.start(CASES, folder, processes=2)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one made of every case; nothing is divided there."""
    folder = tmp_path_factory.mktemp("one")
    for case in several.CASES:
        several.run(case, folder)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_with_the_weights_of_one(together: Path, alone: Path, case: str) -> None:
    base = case.removesuffix("-divided")
    close(alone / f"{base}.safetensors", together / f"{case}.safetensors")
    assert losses(together / f"{case}.csv") == pytest.approx(losses(alone / f"{base}.csv"), rel=1e-4)


def test_a_training_goes_on_with_another_number_of_processes(tmp_path: Path, alone: Path) -> None:
    several.start(["several-tasks"], tmp_path, processes=2, steps=7)
    assert list((tmp_path / "several-tasks").glob("step-*7-epoch-*"))
    several.run("several-tasks", tmp_path)
    close(alone / "several-tasks.safetensors", tmp_path / "several-tasks.safetensors")
    several.run("accumulated", tmp_path, steps=3)
    shutil.copytree(tmp_path / "accumulated", tmp_path / "accumulated-divided")
    several.start(["accumulated-divided", "accumulated"], tmp_path, processes=2)
    for case in ("accumulated-divided", "accumulated"):
        close(alone / "accumulated.safetensors", tmp_path / f"{case}.safetensors")


def losses(path: Path) -> list[float]:
    """And scores: of every epoch."""
    return [float(cell) for line in path.read_text().splitlines()[1:] for cell in line.split(",")[3:]]


def close(one: Path, other: Path) -> None:
    first, second = load_tensors(one), load_tensors(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, **CLOSE, msg=lambda told, name=name: f"{name}: {told}")
