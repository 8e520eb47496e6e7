"""What a command of `mm` says and how it ended, run by a flow."""

import sys

import pytest

from flows.exits import CommandFailed, run_to_exit
from flows.judging import run_mm
from mmcore.errors import SetupError, WrongModel


@pytest.fixture
def mm(tmp_path, monkeypatch):
    """Have `mm` be a few lines of shell."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    def write(lines):
        (tmp_path / "mm").write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / "mm").chmod(0o755)

    return write


@pytest.mark.parametrize(("code", "error"), [(1, CommandFailed), (2, SetupError), (3, WrongModel)])
def test_a_smoke_test_says_by_its_exit_code_whose_fault_it_was(mm, code, error):
    mm(f"echo 'mm: what it says' >&2; exit {code}")
    with pytest.raises(error, match="what it says") as raised:
        run_mm("smoke", "folder")
    assert type(raised.value) is error


def test_a_warning_of_a_command_that_went_well_is_passed_on_and_muttering_is_not(mm, capfd):
    mm("echo loading >&2; echo 'mm: model was made with other code of radar 1.0.' >&2")

    run_mm("smoke", "folder")

    assert capfd.readouterr().err == "mm: model was made with other code of radar 1.0.\n"


@pytest.mark.parametrize(("ending", "code"), [("kill -9 $$", 1), ("exit 1", 1), ("exit 2", 2)])
def test_only_a_command_that_says_so_is_for_the_user_to_mend(mm, ending, code):
    mm(ending)
    assert run_to_exit(lambda: run_mm("stage", "judge")) == code


def test_what_stopped_for_a_fault_is_a_fault_too(mm):
    mm("exit 1")

    def release():
        try:
            run_mm("smoke", "folder")
        except CommandFailed as error:
            raise SetupError("The smoke test did not come to its end.") from error

    assert run_to_exit(release) == 1


def test_a_command_that_was_killed_is_told_with_the_signal(mm):
    mm("kill -9 $$")
    with pytest.raises(CommandFailed, match=r"^`mm stage judge` was ended by SIGKILL \(out of memory\?\)\.$"):
        run_mm("stage", "judge")
