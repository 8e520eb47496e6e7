import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mmcore.errors import Interrupted
from mmcore.runtime.signals import catch_signals, raise_interrupted

ROOT = Path(__file__).parents[2]
WATCHED = """
import signal, sys, time
from mmcore.runtime.lifeline import watch_lifeline
from mmcore.runtime.signals import catch_signals
stubborn = sys.argv[1] == "stubborn"
watched = watch_lifeline(grace_s=0.3) is not None
with catch_signals() as stop:
    print("watched" if watched else "not watched", flush=True)
    while watched and (stop.requested is None or stubborn):
        time.sleep(0.01)
print("ended in order", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_the_work_goes_on(number):
    with catch_signals() as stop:
        assert stop.requested is None
        os.kill(os.getpid(), number)
        assert stop.requested == number


def test_a_second_signal_does_not_wait():
    with catch_signals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted, match="stopped by SIGTERM") as caught:
            os.kill(os.getpid(), signal.SIGTERM)

    assert caught.value.signal == signal.SIGTERM


def test_afterwards_signals_go_where_they_went_before():
    before = signal.getsignal(signal.SIGTERM)
    with catch_signals():
        assert signal.getsignal(signal.SIGTERM) != before

    assert signal.getsignal(signal.SIGTERM) == before


def test_a_thread_cannot_have_signals_and_works_all_the_same():
    found = list[object]()

    def work() -> None:
        with catch_signals() as stop:
            found.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert found == [None]


def test_a_handler_unwinds_the_stack():
    with pytest.raises(Interrupted):
        raise_interrupted(signal.SIGTERM, None)


def child(mode: str, pipe: int | None, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WATCHED, mode], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **environment}, pass_fds=[] if pipe is None else [pipe],
    )  # fmt: skip


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:
            continue


def test_a_child_ends_in_order_when_its_parent_is_gone(pipe):
    reading, writing = pipe
    process = child("meek", reading, MM_LIFELINE_FD=str(reading))
    assert process.stdout.readline() == "watched\n"
    os.close(writing)

    assert process.communicate(timeout=100)[0] == "ended in order\n"
    assert process.returncode == 0


def test_a_child_that_does_not_listen_is_killed(pipe):
    reading, writing = pipe
    process = child("stubborn", reading, MM_LIFELINE_FD=str(reading))
    assert process.stdout.readline() == "watched\n"
    os.close(writing)
    process.communicate(timeout=100)

    assert process.returncode == -signal.SIGKILL


def test_a_child_lives_while_its_parent_does(pipe):
    reading, _ = pipe
    process = child("meek", reading, MM_LIFELINE_FD=str(reading))
    assert process.stdout.readline() == "watched\n"
    time.sleep(0.5)
    alive = process.poll() is None
    process.terminate()
    process.communicate(timeout=100)

    assert alive


@pytest.mark.parametrize("number", ["", "no number", "999", "0"])
def test_a_number_that_is_no_pipe_is_not_watched(number):
    with open(os.devnull) as nothing:
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, "meek"], cwd=ROOT, stdin=nothing, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "MM_LIFELINE_FD": number},
        )  # fmt: skip
        out, _ = process.communicate(timeout=100)

    assert out == "not watched\nended in order\n"
