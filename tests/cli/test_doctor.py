import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer

from mmcore import doctor
from mmcore.cli import doctor as command
from mmcore.runtime import compiler
from tests.packages import found_in, register


def states(findings, subject):
    return {(found.state, found.found) for found in findings if found.subject == subject}


def examine(root: Path, site: Path) -> list[doctor.Finding]:
    return doctor.examine(root, found_in(site))


def test_an_empty_folder_fails_with_advice_for_each(tmp_path):
    findings = examine(tmp_path, tmp_path)
    failed = {found.subject for found in findings if found.state == "fail"}

    assert {"git", "dvc", "plugins"} <= failed
    assert all(found.advice for found in findings if found.subject in ("git", "dvc", "plugins", "pins"))


def test_a_git_repository_without_a_commit_is_told(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    assert states(examine(tmp_path, tmp_path), "git") == {("warn", "a repository without a commit")}


def test_a_folder_that_cannot_be_written_to_fails(tmp_path, monkeypatch):
    def read_only(**_):
        raise OSError(errno.EROFS, "Read-only file system", "somewhere")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", read_only)
    (found,) = [one for one in examine(tmp_path, tmp_path) if one.subject == "writing"]
    assert (found.state, found.found) == ("fail", f"Read-only file system: {tmp_path}")
    assert "that you may write to" in found.advice


def test_a_package_of_another_version_is_named(tmp_path):
    (tmp_path / "constraints.txt").write_text("# exact\ntyper==0.0.1\nno-such-package==1.0\n")
    ((state, found),) = states(examine(tmp_path, tmp_path), "pins")

    assert state == "warn"
    assert "typer" in found
    assert "(pinned 0.0.1)" in found


def test_a_gpu_without_a_compiler_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(doctor, "lacks_compiler", lambda: None)
    assert {state for state, _ in states(examine(tmp_path, tmp_path), "torch")} == {"ok"}
    monkeypatch.setattr(doctor, "lacks_compiler", lambda: "there is no C compiler: install gcc or clang")
    (found,) = [one for one in examine(tmp_path, tmp_path) if one.subject == "torch"]
    assert (found.state, found.advice) == ("warn", "To train faster, install gcc or clang.")
    assert "no C compiler" in found.found


def test_what_a_compiler_lacks_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "find_spec", lambda name: object())
    monkeypatch.setenv("CC", "cc")
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(compiler.sysconfig, "get_path", lambda name: str(tmp_path))
    assert compiler.lacks_compiler() is None
    monkeypatch.setattr(compiler.sysconfig, "get_path", lambda name: str(tmp_path / "include"))
    assert "python3-dev" in compiler.lacks_compiler()
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install gcc" in compiler.lacks_compiler()
    monkeypatch.setattr(compiler, "find_spec", lambda name: None)
    assert "triton" in compiler.lacks_compiler()


def test_a_remote_is_found_and_its_absence_is_told(tmp_path):
    assert ("warn", "no default remote") in states(examine(tmp_path, tmp_path), "remote")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        "[core]\n    remote = store\n['remote \"store\"']\n    url = s3://b/50%\n"
    )
    assert states(examine(tmp_path, tmp_path), "remote") == {("ok", "store: s3://b/50%")}


def test_a_remote_of_the_users_own_settings_is_found(tmp_path, monkeypatch):
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "config").write_text(f"[core]\n    remote = mine\n['remote \"mine\"']\n    url = {store}\n")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path))

    assert states(examine(tmp_path, tmp_path), "remote") == {("ok", f"mine: {store}")}


def test_a_remote_that_is_a_folder_and_not_there_is_told(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    remote = store\n['remote \"store\"']\n    url = ../gone\n")

    (found,) = [one for one in examine(tmp_path, tmp_path) if one.subject == "remote"]
    assert (found.state, found.found) == ("warn", f"store: {tmp_path / 'gone'} is not there")
    assert "Mount it" in found.advice


@pytest.mark.parametrize("warns", [False, True])
def test_what_git_refuses_is_told_in_its_words(tmp_path, monkeypatch, warns):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    if warns:
        monkeypatch.setenv("GIT_TRACE", "1")  # lines before the refusal, as warnings are
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    (found,) = [one for one in examine(tmp_path, tmp_path) if one.subject == "git"]
    assert found.state == "fail"
    assert "git says: detected dubious ownership" in found.found
    assert f"git config --global --add safe.directory {tmp_path}" in found.advice


@pytest.mark.parametrize(
    ("file", "text", "mend"),
    [
        (".dvc/tmp/rwlock", "", "rm .dvc/tmp/rwlock"),
        ("dvc.lock", "", "git checkout HEAD -- dvc.lock"),
        ("dvc.lock", "schema: '2.0'\nstages: [", "git checkout HEAD -- dvc.lock"),
    ],
)
def test_a_damaged_file_of_dvc_is_told(tmp_path, file, text, mend):
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / ".dvc" / "tmp" / "rwlock").write_text("{}")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    assert {state for state, _ in states(examine(tmp_path, tmp_path), "dvc")} == {"ok"}

    (tmp_path / file).write_text(text)

    (found,) = [one for one in examine(tmp_path, tmp_path) if one.subject == "dvc"]
    assert (found.state, found.found) == ("fail", f"{file} is damaged")
    assert mend in found.advice


def test_a_plugin_that_does_not_import_is_told_with_its_reason(tmp_path):
    register(tmp_path, "doc-bad", plugins={"fusion": {"bad": "bad:Bad"}})
    (found,) = [found for found in examine(tmp_path, tmp_path) if found.subject == "plugins"]

    assert found.state == "fail"
    assert "does not import" in found.advice


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**8})())

    found = [one for one in examine(tmp_path, tmp_path) if one.subject == "disk"]
    assert [(one.state, one.found) for one in found] == [("fail", "0.1 GB free")]
    assert "`make prune`" in found[0].advice
    assert "dvc gc" not in found[0].advice  # it would take what was released


def test_a_check_that_breaks_is_a_finding(tmp_path, monkeypatch):
    def broken(root, plugins):
        raise OSError("no such device")
        yield

    monkeypatch.setitem(doctor.CHECKS, "disk", broken)

    assert states(examine(tmp_path, tmp_path), "disk") == {("fail", "OSError: no such device")}


@pytest.mark.parametrize(("state", "code"), [("ok", None), ("warn", None), ("fail", 2)])
def test_the_exit_code_is_2_where_something_fails(state, code, monkeypatch, capsys):
    monkeypatch.setattr(command, "examine_all", lambda root: [doctor.Finding("disk", state, "found", "advice")])
    ended = None
    try:
        command.examine(as_json=True)
    except typer.Exit as stop:
        ended = stop.exit_code

    assert ended == code
    assert json.loads(capsys.readouterr().out) == [
        {"subject": "disk", "state": state, "found": "found", "advice": "advice"}
    ]


def test_the_table_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(command, "examine_all", lambda root: [doctor.Finding("disk", "warn", "2 GB", "Free some.")])
    command.examine(as_json=False)

    assert "What to do:\n  disk  Free some." in capsys.readouterr().out


def test_the_python_that_runs_is_named(tmp_path):
    ((_, found),) = states(examine(tmp_path, tmp_path), "python")

    assert sys.version.split()[0] in found
