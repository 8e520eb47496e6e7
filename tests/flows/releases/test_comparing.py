"""What a retraining compares with what, and when it asks anew."""

import subprocess

import pytest
import yaml

import flows.retrain
from flows.branch import LOOKS
from mmcore.errors import SetupError
from mmcore.releases.looks import line_of
from tests.flows.releases.conftest import PARAMS


def test_nothing_new_looks_at_nothing(released, capsys):
    released.data(0)
    released.retrain()
    released.asked.clear()
    capsys.readouterr()
    assert released.retrain() == 0
    assert released.asked == []
    assert len(released.looks()) == 1
    assert "Nothing to do" in capsys.readouterr().out


DECIDING = [
    {"verdict": {"tolerances": {"t/other": 0.1}}},
    {"evaluation": {"split": "validation"}},
    {"training": {"monitor": "t/other"}},
    {"repeats": {"summary": {"seeds": ["seed-1"]}}},
]


@pytest.mark.parametrize("changed", DECIDING)
@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_decides_asks_anew_also_in_another_worktree_and_is_another_look(released, changed, elsewhere):
    released.data(0)
    released.retrain()
    released.project.write("params.yaml", yaml.safe_dump({**PARAMS, **changed}))
    for asked in ([("stage", "judge")], []):
        released.asked.clear()
        if elsewhere:
            (released.root / "artifacts" / "verdict.json").unlink(missing_ok=True)
        assert released.retrain() == 0
        assert released.asked == asked
    assert len({look.question for look in released.looks()}) == len(released.looks()) == 2


def test_seeds_that_say_otherwise_ask_anew(released):
    released.project.write("params.yaml", yaml.safe_dump({**PARAMS, "repeats": {"summary": {"seeds": ["seed-1"]}}}))
    released.data(0)
    released.retrain()
    lock = yaml.safe_load(released.project.read("dvc.lock"))
    lock["stages"]["spread@seeds"] = {"cmd": "x", "outs": [{"path": "artifacts/spread/seeds.json", "md5": "a" * 32}]}
    released.project.write("dvc.lock", yaml.safe_dump(lock))
    released.asked.clear()
    assert released.retrain() == 0
    assert released.asked == [("stage", "judge")]
    assert len(released.looks()) == 2


def test_a_look_that_does_not_say_what_was_asked_does_not_stop_the_question(released):
    released.data(0)
    released.retrain()
    (look,) = released.looks()
    tip = released.git.run("rev-parse", "releases")
    older = line_of(look).replace(f'"question": "{look.question}", ', "")
    released.releaser().branch.commit({LOOKS: older.encode()}, "as it was", tree=tip, parents=[tip])
    (released.root / "artifacts" / "verdict.json").unlink()
    released.asked.clear()
    assert released.retrain() == 0
    assert released.asked == [("stage", "judge")]
    assert [one.question for one in released.looks()] == ["", look.question]


def test_the_model_in_use_is_not_compared_with_itself(released, capsys):
    released.asked.clear()
    assert released.retrain() == 0
    assert released.asked == []
    assert "The model in use, v1.0.0, is this one." in capsys.readouterr().out


def test_a_pair_that_was_looked_at_in_another_worktree_is_not_looked_at_again(released, capsys):
    released.data(0)
    released.retrain()
    (released.root / "artifacts" / "verdict.json").unlink()
    released.asked.clear()
    assert released.retrain() == 0
    assert released.asked == []
    assert "REJECT" in capsys.readouterr().out


def test_a_better_model_that_was_not_released_can_be_later(released):
    released.data(2)
    assert released.retrain(release=False) == 0
    assert released.in_use() == "v1.0.0"
    assert released.retrain() == 0
    assert released.in_use() == "v1.1.0"
    assert len(released.looks()) == 1


@pytest.fixture
def unheard(released):
    """A remote that lies in a folder `away`, where no one sees it, and there holds a release that we do not know."""
    before = released.git.run("rev-parse", "releases")
    released.data(2)
    assert released.retrain() == 0
    subprocess.run(["git", "clone", "-q", "--bare", str(released.root), str(released.root.parent / "away")], check=True)
    released.git.run("tag", "-d", "model@v1.1.0", "model#prod#2")
    released.git.run("update-ref", "refs/heads/releases", before)
    released.git.run("remote", "add", "origin", str(released.root.parent / "far"))
    settings = {**PARAMS, "release": {"enabled": True, "git_remote": "origin"}}
    released.project.write("params.yaml", yaml.safe_dump(settings))
    released.data(1.5)
    return released


def seen_after(monkeypatch, released, step):
    """The remote can be reached from the end of a step on."""
    away, real = released.root.parent / "away", getattr(flows.retrain, step)

    def seen(*arguments, **named):
        given = real(*arguments, **named)
        if away.exists():
            away.rename(released.root.parent / "far")
        return given

    monkeypatch.setattr(flows.retrain, step, seen)


def test_what_another_machine_released_during_the_training_is_compared_with(unheard, monkeypatch):
    seen_after(monkeypatch, unheard, "bring_up_to_date")
    assert unheard.retrain() == 0
    assert unheard.record()["champion"]["version"] == unheard.in_use() == "v1.1.0"
    assert unheard.record()["verdict"] == "REJECT"


def test_nothing_is_released_over_a_model_that_it_was_not_compared_with(unheard, monkeypatch):
    seen_after(monkeypatch, unheard, "judge")
    with pytest.raises(SetupError, match=r"prod is v1\.1\.0 by now, .* with v1\.0\.0, so nothing was released"):
        unheard.retrain()
    assert unheard.in_use() == "v1.1.0"
    assert unheard.retrain() == 0
    assert (unheard.in_use(), unheard.record()["verdict"]) == ("v1.1.0", "REJECT")
