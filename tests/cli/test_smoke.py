"""How `mm smoke` ends, which decides whether a release is taken back."""

from pathlib import Path

import pytest
import typer

import mmcore.cli.smoke
from mmcore.errors import DataError, WrongModel


def test_wrong_answers_have_an_exit_code_of_their_own(monkeypatch, capsys):
    monkeypatch.setattr(mmcore.cli.smoke, "_asked", raising(WrongModel("It said 'perhaps'.")))
    with pytest.raises(typer.Exit) as ended:
        mmcore.cli.smoke.smoke_test(Path("model"))
    assert ended.value.exit_code == 3
    assert capsys.readouterr().err == "mm: It said 'perhaps'.\n"


def test_a_model_that_crashes_is_at_fault_and_says_where(monkeypatch, capsys):
    monkeypatch.setattr(mmcore.cli.smoke, "_asked", raising(IndexError("too short")))
    with pytest.raises(typer.Exit) as ended:
        mmcore.cli.smoke.smoke_test(Path("model"))
    assert ended.value.exit_code == 3
    told = capsys.readouterr().err
    assert told.startswith("mm: model crashes when it is asked: IndexError('too short'), at ")
    assert Path(__file__).name in told


@pytest.mark.parametrize("error", [OSError("No space left on device"), MemoryError()])
def test_a_machine_that_has_too_little_is_no_fault_of_the_model(monkeypatch, error):
    monkeypatch.setattr(mmcore.cli.smoke, "_asked", raising(error))
    with pytest.raises(type(error)):
        mmcore.cli.smoke.smoke_test(Path("model"))


def test_a_picture_that_is_gone_is_no_wrong_answer(monkeypatch):
    monkeypatch.setattr(mmcore.cli.smoke, "_asked", raising(DataError("no such file", path="a.png")))
    with pytest.raises(DataError):
        mmcore.cli.smoke.smoke_test(Path("model"))


def raising(error):
    def raises(*_):
        raise error

    return raises
