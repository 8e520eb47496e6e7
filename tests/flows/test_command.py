import errno
import os
import shlex
import sys
import threading
import time

import psutil
import pytest

import flows.command
from flows.command import run_command
from flows.lifeline import Lifeline
from flows.stop import Stop


@pytest.fixture
def lifeline():
    line = Lifeline()
    yield line
    line.close()


@pytest.fixture
def run(tmp_path, lifeline):
    """Run a shell command; gives how it ended and its lines."""

    def run(command, *, stop=None, timeout_s=None, show=None):
        lines = []
        ended = run_command(
            ["/bin/sh", "-c", command],
            show or lines.append,
            folder=tmp_path,
            environment=os.environ,
            stop=stop or Stop(),
            lifeline=lifeline,
            timeout_s=timeout_s,
        )
        return ended, lines

    return run


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def stop_once(path, stop, eventually):
    """Ask for a stop from another thread as soon as `path` is there."""

    def ask():
        eventually(path.exists)
        stop.request()

    threading.Thread(target=ask, daemon=True).start()


def test_output_and_errors_come_line_by_line(run):
    ended, lines = run("echo one; echo two >&2; printf 'half\\rwhole\\n'; exit 3")
    assert ended.code == 3
    assert lines == ["one", "two", "half", "whole"]


def test_lines_come_while_the_command_runs(tmp_path, run):
    seen = []

    def show(line):
        seen.append(line)
        (tmp_path / "seen").touch()  # which the command waits for

    ended, _ = run("echo hello; until [ -e seen ]; do sleep 0.05; done", show=show, timeout_s=20)
    assert ended.code == 0
    assert seen == ["hello"]


def test_bytes_that_are_no_text_do_not_end_it(run):
    assert run("printf 'a\\377b\\n'") == (flows.command.Ended(0, timed_out=False), ["a\ufffdb"])


def test_a_stop_ends_what_the_command_started_too(run, tmp_path, eventually):
    stop = Stop()
    stop_once(tmp_path / "pid", stop, eventually)
    ended, _ = run("(echo $$ > shell; sleep 600) & echo $! > pid; wait", stop=stop)
    assert ended.code != 0
    assert eventually(lambda: gone(int((tmp_path / "pid").read_text())))


def test_a_stop_waits_for_work_to_be_saved(run, tmp_path, eventually):
    stop = Stop()
    stop_once(tmp_path / "up", stop, eventually)
    script = "import signal, sys, time; signal.signal(15, lambda *_: (time.sleep(0.3), print('saved'), sys.exit())); "
    script += "open('up', 'w').close(); time.sleep(600)"
    _, lines = run(f'{shlex.quote(sys.executable)} -c "{script}"; echo never', stop=stop)
    assert lines == ["saved"]


def test_what_does_not_listen_is_killed_after_the_grace(run, tmp_path, eventually, monkeypatch):
    monkeypatch.setattr(flows.command, "GRACE_S", 0.3)
    stop = Stop()
    stop_once(tmp_path / "up", stop, eventually)
    began = time.monotonic()
    ended, _ = run("trap '' TERM; touch up; while true; do sleep 0.1; done", stop=stop)
    assert ended.code == -9
    assert time.monotonic() - began < 10


def test_asked_a_second_time_it_is_killed_at_once(run, tmp_path, eventually):
    stop = Stop()

    def ask_twice():
        eventually((tmp_path / "up").exists)
        stop.request()
        stop.request()

    threading.Thread(target=ask_twice, daemon=True).start()
    assert run("trap '' TERM; touch up; while true; do sleep 0.1; done", stop=stop)[0].code == -9


def test_a_timeout_ends_the_whole_group(run, tmp_path, eventually):
    ended, _ = run("sleep 600 & echo $! > pid; wait", timeout_s=0.5)
    assert ended.timed_out
    assert eventually(lambda: gone(int((tmp_path / "pid").read_text())))


def test_after_a_stop_nothing_goes_on(run):
    stop = Stop()
    stop.request()
    assert run("sleep 600", stop=stop)[0].code != 0


def test_the_lifeline_tells_the_child_when_it_is_cut(tmp_path, eventually):
    line, lines = Lifeline(), []
    child = "import os; print('up', flush=True); os.read(int(os.environ['MM_LIFELINE_FD']), 1); print('alone')"

    def show(text):
        lines.append(text)
        if text == "up":
            line.close()

    ended = run_command(
        [sys.executable, "-c", child],
        show,
        folder=tmp_path,
        environment=os.environ,
        stop=Stop(),
        lifeline=line,
        timeout_s=20,
    )
    assert ended.code == 0
    assert lines == ["up", "alone"]


def test_lines_that_cannot_be_shown_end_no_command(tmp_path, run):
    def show(line):
        raise OSError(errno.ENOSPC, "No space left on device")

    ended, _ = run("for i in 1 2 3; do echo $i; sleep 0.1; done; touch done", show=show, timeout_s=20)
    assert ended.code == 0
    assert (tmp_path / "done").exists()
