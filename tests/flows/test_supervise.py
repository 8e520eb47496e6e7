import os
import signal
import subprocess
import sys
from contextlib import closing

import psutil
import pytest

import flows.supervise
from flows.environment import CLONE
from flows.lifeline import Lifeline
from flows.record import one_at_a_time, read_record, write_record
from flows.supervise import Program
from mmcore.errors import SetupError


@pytest.fixture
def program(tmp_path):
    """A shell command that is kept running; gives it and its lines."""
    programs, lines = [], []
    with closing(Lifeline()) as lifeline:

        def start(command):
            programs.append(
                Program(
                    "it",
                    ["sh", "-c", command],
                    folder=tmp_path,
                    show=lines.append,
                    lifeline=lifeline,
                    environment={**os.environ, "PYTHONPATH": str(CLONE)},
                )
            )
            programs[-1].start()
            return programs[-1], lines

        yield start
        for made in programs:
            made.stop()


def test_what_ends_by_itself_is_started_again(program, eventually, monkeypatch):
    monkeypatch.setattr(flows.supervise, "SHORTEST_PAUSE_S", 0.1)
    made, lines = program("echo up; exit 3")
    assert eventually(lambda: lines.count("up") >= 2)
    assert any("ended with exit code 3" in line for line in lines)
    assert made.ended.is_set()


def test_asked_to_stop_it_is_not_started_again(program, eventually):
    made, lines = program("trap 'echo saved; exit 0' TERM; echo up; while true; do sleep 0.05; done")
    assert eventually(lambda: "up" in lines)
    made.stop()
    assert "saved" in lines
    assert lines.count("up") == 1


def leash(command, lifeline, folder):
    return subprocess.Popen(
        [sys.executable, "-m", "flows.leash", "sh", "-c", command],
        cwd=folder, env={**os.environ, **lifeline.environment, "PYTHONPATH": str(CLONE)},
        pass_fds=(lifeline.descriptor,), start_new_session=True,
    )  # fmt: skip


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_leashed_command_and_what_it_started_end_with_the_parent(tmp_path, eventually):
    lifeline = Lifeline()
    process = leash("sleep 600 & echo $! > pid; wait", lifeline, tmp_path)
    assert eventually((tmp_path / "pid").exists)
    lifeline.close()
    process.wait(timeout=200)
    assert eventually(lambda: gone(int((tmp_path / "pid").read_text())))


def test_the_exit_code_is_the_commands(tmp_path):
    with closing(Lifeline()) as lifeline:
        assert leash("exit 7", lifeline, tmp_path).wait(timeout=200) == 7


def test_what_a_killed_command_left_ends_too(tmp_path, eventually, monkeypatch):
    with closing(Lifeline()) as lifeline:
        process = leash("echo $$ > me; sleep 600 & echo $! > pid; wait", lifeline, tmp_path)
        assert eventually((tmp_path / "pid").exists)
        os.kill(int((tmp_path / "me").read_text()), signal.SIGKILL)
        assert eventually(lambda: gone(int((tmp_path / "pid").read_text())))
        process.kill()
        process.wait()


def test_one_at_a_time_and_who_was_killed_holds_nothing(tmp_path, eventually):
    hold = "import sys, time; from pathlib import Path; from flows.record import one_at_a_time\n"
    hold += "with one_at_a_time(Path('.')): print('held', flush=True); time.sleep(600)"
    environment = {**os.environ, "PYTHONPATH": str(CLONE)}
    holder = subprocess.Popen([sys.executable, "-c", hold], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(SetupError, match=f"Another run is at work .process {holder.pid}, since"),
        one_at_a_time(tmp_path),
    ):
        pass
    holder.kill()
    holder.communicate()
    with one_at_a_time(tmp_path):
        pass


def test_a_record_of_which_a_full_disk_left_half_is_none(tmp_path):
    write_record(tmp_path, {"signature": "a"})
    assert read_record(tmp_path) == {"signature": "a"}
    (tmp_path / ".mm" / "schedule" / "last.json").write_text('{"signa')
    assert read_record(tmp_path) == {}
