"""What a trial comes to, from its worker's answer on; and that answer, without a process."""

from contextlib import contextmanager

import pytest

from mmcore.errors import SetupError, TrainingError
from mmcore.search.host import Host, Order
from mmcore.search.rows import State
from mmcore.search.session import study_of
from mmcore.search.trial.__main__ import Worker
from mmcore.search.trial.prepared import Shared
from mmcore.search.workers import Answer

FULL = Answer(failed="the checkpoint cannot be written. Make room.", denied=True)


class Answering:
    """A pool whose one worker always answers the same."""

    def __init__(self, answer):
        self._answer = answer

    @contextmanager
    def worker(self):
        yield self

    def order(self, order, report=None):
        return self._answer


class Lines:
    """A channel that keeps what it is told."""

    def __init__(self):
        self.told = {}

    def tell(self, **what):
        self.told |= what


@pytest.fixture
def study(project):
    return study_of(project.plan(), ["up"], say=print)


def test_a_trial_that_finds_the_disk_full_is_put_back_as_often_as_it_does(study):
    for _ in range(3):
        asked = study.ask()
        told = Host(Answering(FULL), study, beat_s=None).trial(Order(asked.number, asked.identity, {}, "t"))
        assert (told.state, told.denied, told.reason) == (State.DIED, True, FULL.failed)
    assert [row.state for row in study.rows()] == [State.DIED, State.DIED, State.DIED, State.WAITING]
    assert {row.root for row in study.rows()} == {0}


def test_the_final_comparison_says_that_the_disk_is_full(study):
    with pytest.raises(SetupError, match=r"cannot be written. Make room"):
        Host(Answering(FULL), study, beat_s=None).judge({}, 0, "judged")


@pytest.mark.parametrize(
    ("error", "words", "denied"),
    [
        (TrainingError("the checkpoint cannot be written ([Errno 28] No space left on device)"), "checkpoint", True),
        (OSError(28, "No space left on device", "result.json"), "result.json: No space left on device. Free", True),
        (OSError(30, "Read-only file system", "kept"), "kept: Read-only file system. Work in a clone", True),
        (PermissionError(13, "Permission denied", "words.json"), "Permission denied: 'words.json'", False),
        (TrainingError("it cannot be read ([Errno 1] Operation not permitted)"), "cannot be read", False),
        (TrainingError("the loss is nan"), "the loss is nan", False),
    ],
)
def test_a_worker_keeps_the_checkpoint_of_a_trial_that_is_not_to_blame(tmp_path, monkeypatch, error, words, denied):
    def fails(order):
        raise error

    (tmp_path / "t" / "kept").mkdir(parents=True)
    channel = Lines()
    worker = Worker(channel)
    worker._shared = Shared(tmp_path, "shared", {}, None)
    monkeypatch.setattr(worker, "_work", fails)
    assert worker._here({"do": "trial", "folder": "t"})
    assert channel.told["denied"] is denied
    assert words in channel.told["failed"]
    assert (tmp_path / "t" / "kept").exists() is denied


def test_a_log_that_cannot_be_written_does_not_end_the_worker(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(28, "No space left on device")

    channel = Lines()
    worker = Worker(channel)
    monkeypatch.setattr(worker, "_work", fails)
    monkeypatch.setattr("traceback.print_exc", fails)
    assert worker._here({"do": "compare"})
    assert channel.told["denied"]
