"""How a command of ours ends where the system does not let it write."""

import errno
import os
import shutil
import subprocess
from contextlib import nullcontext
from contextvars import ContextVar
from types import SimpleNamespace

import pytest

import flows.project
import flows.server
from flows.exits import run_to_exit
from flows.project import check_writable
from mmcore.errors import SetupError


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_what_cannot_be_written_is_one_message_for_the_user_to_mend(capsys, number):
    assert run_to_exit(raising(OSError(number, "No", "dvc.lock"))) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: dvc.lock: No. ")
    assert told.count("\n") == 1


def test_another_error_of_the_system_is_a_fault():
    with pytest.raises(OSError, match="Input/output error"):
        run_to_exit(raising(OSError(errno.EIO, "Input/output error")))


def test_a_folder_that_cannot_be_written_to_is_named_before_anything_starts(tmp_path, monkeypatch):
    error = OSError(errno.EROFS, "Read-only file system", "somewhere")
    monkeypatch.setattr(flows.project.tempfile, "TemporaryFile", raising(error))
    with pytest.raises(SetupError, match=f"Nothing can be written to {tmp_path}: Read-only file system. Work in"):
        check_writable(tmp_path)


@pytest.mark.parametrize(("total", "is_refused"), [(100, True), (0, False)])
def test_a_disk_that_is_next_to_full_is_told_before_anything_starts(tmp_path, monkeypatch, total, is_refused):
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(total * 2**20, 97 * 2**20, min(3, total) * 2**20))
    told = f"Only 3 MiB are free where {tmp_path} lies, too little to begin. Free some: `make prune`"
    with pytest.raises(SetupError, match=told) if is_refused else nullcontext():
        check_writable(tmp_path)


@pytest.fixture
def no_answer(tmp_path, monkeypatch):
    """Gives what is told of a server of our own that says what is given, and keeps its runs in `prefect.db`."""
    (tmp_path / "prefect.db").write_text("no database")

    def no_answer(said):
        log = tmp_path / flows.server.LOG.format(7)
        log.write_text(said)
        monkeypatch.setattr(flows.server, "_embedded", ContextVar("embedded", default=log))
        return str(flows.server.no_answer(RuntimeError("Failed to reach API")))

    return no_answer


def test_of_a_server_of_our_own_that_cannot_work_its_fault_is_told_and_what_helps(no_answer, tmp_path):
    told = no_answer("Traceback\n  File x\nsqlite3.DatabaseError: file is not a database\n\nExiting.\n")
    assert "cannot work: sqlite3.DatabaseError: file is not a database (more in" in told
    assert f"`rm {tmp_path / 'prefect.db'}*`" in told


def test_of_a_server_of_our_own_that_is_slow_nothing_is_to_be_deleted(no_answer):
    told = no_answer("Starting.\n")
    assert "did not answer in time (RuntimeError('Failed to reach API'))" in told
    assert "rm " not in told
    assert "Free" not in told


@pytest.mark.parametrize(("said", "kept"), [("OSError: no room", ["OSError: no room\n"]), ("Starting.", [])])
def test_of_each_run_what_its_server_says_is_kept_where_it_is_a_fault(tmp_path, monkeypatch, said, kept):
    ends, popen = [], subprocess.Popen
    monkeypatch.setattr(flows.server, "get_current_settings", lambda: SimpleNamespace(home=tmp_path))
    monkeypatch.setattr(flows.server.atexit, "register", lambda *end: ends.append(end))
    monkeypatch.setattr(subprocess, "Popen", lambda _, **how: popen(["sh", "-c", f"echo '{said}' >&2"], **how))
    neighbour = tmp_path / flows.server.LOG.format(1)
    neighbour.write_text("of another run")
    flows.server._start()
    ((end, *given),) = ends
    end(*given)
    assert neighbour.read_text() == "of another run"
    assert [log.read_text() for log in tmp_path.iterdir() if log.name == f"embedded-{os.getpid()}.log"] == kept


def test_a_folder_where_prefect_cannot_keep_its_runs_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"
    monkeypatch.setattr(flows.server, "get_current_settings", lambda: SimpleNamespace(home=home))
    with pytest.raises(SetupError, match=f"Nothing can be written to {home}: Not a directory"):
        flows.server._start()


def raising(error):
    def raises(**_):
        raise error

    return raises
