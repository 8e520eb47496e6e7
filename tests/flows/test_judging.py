"""What a command of `mm` says and how it ended, run by a flow."""

import sys

import pytest

from flows.judging import CommandFailed, run_mm
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


def test_a_warning_of_a_command_that_went_well_is_passed_on_and_muttering_is_not(mm, capsys):
    mm("echo loading >&2; echo 'mm: model was made with other code of radar 1.0.' >&2")

    run_mm("smoke", "folder")

    assert capsys.readouterr().err == "mm: model was made with other code of radar 1.0.\n"
