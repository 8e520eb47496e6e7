"""How a command of ours ends where the system does not let it write."""

import errno
import shutil
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


def test_of_a_server_of_our_own_that_cannot_work_its_fault_is_told_and_what_helps(tmp_path, monkeypatch):
    log, database = tmp_path / flows.server.LOG, tmp_path / "prefect.db"
    log.write_text("Traceback\n  File x\nsqlite3.DatabaseError: file is not a database\n\nExiting.\n")
    database.write_text("no database")
    monkeypatch.setattr(flows.server, "_embedded", ContextVar("embedded", default=log))
    told = str(flows.server.no_answer(RuntimeError("Failed to reach API")))
    assert "cannot work: sqlite3.DatabaseError: file is not a database (more in" in told
    assert f"`rm {database}*`" in told


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
