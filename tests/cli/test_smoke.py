"""How `mm smoke` ends, which decides whether a release is taken back."""

from pathlib import Path

import pytest
import torch
import typer

import mmcore.cli.smoke
from mmcore.errors import DataError, WrongModel
from mmcore.stages.smoke import Questions


def test_wrong_answers_have_an_exit_code_of_their_own(monkeypatch, capsys):
    monkeypatch.setattr(mmcore.cli.smoke, "_asked", raising(WrongModel("It said 'perhaps'.")))
    with pytest.raises(typer.Exit) as ended:
        mmcore.cli.smoke.smoke_test(Path("model"))
    assert ended.value.exit_code == 3
    assert capsys.readouterr().err == "mm: It said 'perhaps'.\n"


class Predictor:
    """It raises when it is loaded, or answers what it is told to."""

    inputs = ("x",)

    def __init__(self, said):
        self.said = said

    def load(self, folder):
        if isinstance(self.said, Exception):
            raise self.said
        return self

    def predict_each(self, rows, base):
        return iter(self.said)


@pytest.fixture
def says(monkeypatch, tmp_path):
    """Run the smoke test of a model that says something; its exit code."""

    def run(said, expected=()):
        rows = [{"x": "1"}] * len(said) if isinstance(said, list) else []
        asked = Questions(rows, tmp_path, list(expected))
        monkeypatch.setattr(mmcore.cli.smoke, "Predictor", Predictor(said))
        monkeypatch.setattr(mmcore.cli.smoke, "load_params", lambda path, reads: None)
        monkeypatch.setattr(mmcore.cli.smoke.smoke, "questions", lambda *_, **__: asked)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "artifacts").mkdir(exist_ok=True)
        (tmp_path / "artifacts" / "manifest.parquet").touch()
        try:
            mmcore.cli.smoke.smoke_test(Path("model"))
        except typer.Exit as ended:
            return ended.exit_code
        return 0

    return run


def test_a_model_that_crashes_is_at_fault_and_says_where(says, capsys):
    assert says(IndexError("too short")) == 3
    told = capsys.readouterr().err
    assert told.startswith("mm: model crashes when it is asked: IndexError('too short'), at ")
    assert Path(__file__).name in told


LITTLE = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"


@pytest.mark.parametrize(
    "error",
    [OSError("No space left on device"), MemoryError(), RuntimeError(LITTLE), torch.OutOfMemoryError("CUDA"),
     RuntimeError("can't start new thread")],
)  # fmt: skip
def test_a_machine_that_has_too_little_is_no_fault_of_the_model(says, error):
    with pytest.raises(type(error)):
        says(error)


def test_a_row_whose_file_is_gone_is_not_asked_about(says, capsys):
    gone, answer = DataError("no such file", path="a.png"), {"kind": {"label": "red"}}
    assert says([gone, answer], expected=[{"kind:label": "blue"}, {"kind:label": "red"}]) == 0
    assert "answers 1 rows" in capsys.readouterr().out
    assert says([gone, answer], expected=[{"kind:label": "red"}, {"kind:label": "blue"}]) == 3
    with pytest.raises(DataError, match="no such file"):
        says([gone, gone])


def test_a_picture_that_is_gone_is_no_wrong_answer(monkeypatch):
    monkeypatch.setattr(mmcore.cli.smoke, "_asked", raising(DataError("no such file", path="a.png")))
    with pytest.raises(DataError):
        mmcore.cli.smoke.smoke_test(Path("model"))


def raising(error):
    def raises(*_):
        raise error

    return raises
