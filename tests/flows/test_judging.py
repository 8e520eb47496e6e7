"""What a command of `mm` says, run by a flow."""

import subprocess

import flows.judging


def test_a_warning_of_a_command_that_went_well_is_passed_on_and_muttering_is_not(monkeypatch, capsys):
    said = "loading\nmm: model was made with other code of radar 1.0.\n"
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, "", said))

    flows.judging.run_mm("smoke", "model")

    assert capsys.readouterr().err == "mm: model was made with other code of radar 1.0.\n"
