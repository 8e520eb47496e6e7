"""What is released is asked, and taken back where it is the model that fails."""

import errno
import json
import sys
from dataclasses import replace

import pytest

import flows.release
import flows.smoke
import mmcore.releases.fetch
from flows.exits import CommandFailed
from flows.releasing import Releaser
from flows.smoke import SmokeFailed, Unfinished
from mmcore.errors import ArtifactError, SetupError
from tests.flows.releases.conftest import get_here


def test_what_is_released_and_does_not_answer_goes_back(released):
    released.broken.add("2")
    released.data(2)
    with pytest.raises(SmokeFailed, match=r"v1\.1\.0 failed its smoke test, and prod names v1\.0\.0 again"):
        released.retrain()
    assert (released.in_use(), released.fetched(stage="prod")) == ("v1.0.0", "1")
    released.broken.clear()
    assert released.retrain() == 0  # the same bytes are not tried again by themselves
    assert released.in_use() == "v1.0.0"
    assert "taken back" in released.record()["reasons"][0]


def test_the_first_release_that_does_not_answer_leaves_no_model_in_use(toy):
    toy.broken.add("1")
    with pytest.raises(SmokeFailed, match="prod names nothing again"):
        toy.retrain()
    assert toy.in_use() is None


def test_bytes_that_are_not_those_that_were_released_do_not_stay(released, monkeypatch):
    def damaged(git, target, **_):
        target.mkdir()
        (target / "value").write_text("7")

    monkeypatch.setattr(flows.smoke, "get", damaged)
    released.data(2)
    with pytest.raises(SmokeFailed, match="its bytes are damaged"):
        released.retrain()
    assert released.in_use() == "v1.0.0"


FULL = OSError(errno.ENOSPC, "No space left on device", ".mm/smoke-1")


@pytest.fixture
def untested(released, monkeypatch):
    """v1.1.0, of value 2, in use, whose smoke test a full disk has stopped."""
    monkeypatch.setattr(flows.smoke, "get", raising(FULL))
    released.data(2)
    with pytest.raises(Unfinished):
        released.retrain()
    return released


def raising(error):
    def raises(*_, **__):
        raise error

    return raises


@pytest.mark.parametrize(
    "error", [FULL, SetupError("missing cache"), CommandFailed("killed"), ArtifactError("no rows")]
)
def test_what_is_no_fault_of_the_model_takes_nothing_back(released, monkeypatch, error):
    monkeypatch.setattr(flows.smoke, "get", raising(error))
    released.data(2)
    with pytest.raises(Unfinished, match=r"Nothing was taken back: prod names v1\.1\.0, untested.* gives v1\.0\.0"):
        released.retrain()
    monkeypatch.setattr(flows.smoke, "get", get_here)
    released.asked.clear()
    assert released.retrain() == 0
    assert released.asked[0][0] == "smoke"
    assert (released.in_use(), released.record()["verdict"]) == ("v1.1.0", "PROMOTE")
    assert list((released.git.shared / "mmcore").glob("underway*")) == []


def test_releases_can_be_looked_at_while_one_is_untested(untested, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["release", "list", "--json"])
    assert flows.release.main() == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["current"] == "v1.1.0"
    assert "No space left" in told.err


def test_a_person_can_take_back_what_is_untested(untested, monkeypatch):
    def get(git, target, *, name, stage):
        if untested.in_use() == "v1.1.0":
            raise FULL
        get_here(git, target, name=name, stage=stage)

    monkeypatch.setattr(flows.smoke, "get", get)
    monkeypatch.setattr(sys, "argv", ["release", "rollback"])
    assert flows.release.main() == 0
    untested.releaser().mend()
    assert untested.in_use() == "v1.0.0"


def test_bytes_that_cannot_be_had_are_not_promoted(released, monkeypatch):
    """Asked before the pointer is moved."""
    monkeypatch.setattr(mmcore.releases.fetch, "get", raising(SetupError("missing cache")))
    moves = len(released.registry().pointers)
    with pytest.raises(SetupError, match="missing cache"):
        released.releaser().point_at("v1.0.0", reason="as it was")
    assert len(released.registry().pointers) == moves


def test_what_is_untested_under_another_pointer_stops_nobody(untested, capsys):
    releaser = untested.releaser()
    other = Releaser(untested.root, replace(releaser.settings, stage="staging"), print)
    other.mend()
    assert "prod names v1.1.0, untested" in capsys.readouterr().out
    assert untested.in_use() == "v1.1.0"


def test_a_promotion_in_place_of_what_is_untested_goes_back_behind_it(untested, monkeypatch):
    """The release that nobody could ask is nothing to go back to."""

    def get(git, target, *, name, stage):
        if untested.in_use() == "v1.1.0":
            raise FULL
        target.mkdir()
        (target / "value").write_text("7")

    monkeypatch.setattr(flows.smoke, "get", get)
    releaser = untested.releaser()
    with pytest.raises(Unfinished):
        releaser.mend()
    with pytest.raises(SmokeFailed):
        releaser.point_at("v1.0.0", reason="as it was")
    assert untested.in_use() == "v1.0.0"
