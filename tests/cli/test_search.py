"""What `mm search` refuses at once, and what it ends with; no worker is started."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from mmcore.cli import search as cli
from mmcore.errors import ConfigError, MmcoreError
from mmcore.search.driver import Ended
from mmcore.search.session import BETTER, SAVED, result_of, save, study_of
from tests.search.conftest import _prepared, project
from tests.search.project import SPACE

__all__ = ["_prepared", "project"]

WORDS = ("name=found", f"space={json.dumps(SPACE)}", "trials=3")


@pytest.fixture
def failed(project):
    """A search all of whose trials failed, each at a file of its own: its study, and what it came to."""

    def searched(reason="{at}/kept/7 is full of holes", trials=3):
        plan = project.plan(name="found", trials=3)
        (plan.root / plan.folder).mkdir(parents=True)
        (plan.root / plan.folder / BETTER).write_text('["up"]')
        study = study_of(plan, ["up"], say=print)
        for _ in range(trials):
            asked = study.ask()
            at = plan.trial_folder(asked.root, plan.project.settle(asked.drawn.changes))
            study.fail(asked.identity, reason.format(at=at), {})
        result = result_of(plan, study, why="all trials are done")
        save(result, plan.root / plan.folder)
        return study, result

    return searched


@pytest.fixture
def won(project):
    """A search one trial of which came to a score: its plan."""
    plan = project.plan(name="found", trials=3)
    (plan.root / plan.folder).mkdir(parents=True)
    (plan.root / plan.folder / BETTER).write_text('["up"]')
    study = study_of(plan, ["up"], say=print)
    asked = study.ask()
    study.complete(asked.identity, [0.75], {"changes": asked.drawn.changes, "named": asked.drawn.named})
    return plan


def test_the_name_of_an_experiment_of_ones_own_is_refused_before_the_first_trial(project, monkeypatch):
    monkeypatch.setattr(cli, "opened", lambda *_: pytest.fail("the search was started"))
    words = ("name=numbers", *WORDS[1:])
    with pytest.raises(ConfigError, match=r"numbers.yaml is there and was not written by a search.*name=\.\.\."):
        cli.run_search(words, as_json=False)


def test_what_was_found_is_kept_and_told_where_its_experiment_cannot_be_written(won, capsys):
    experiment = won.root / "conf" / "experiment" / "found.yaml"
    experiment.write_text("# written by hand while it was searched\n")
    with pytest.raises(ConfigError, match=r"move that file\. What was found stays in .*the same words with --result"):
        cli.write_result(WORDS, as_json=False)
    told = capsys.readouterr().out
    assert "Best: trial 0  kind/accuracy 0.75" in told
    assert "Take it" not in told
    assert json.loads((won.root / won.folder / SAVED).read_text())["winner"]["trial"] == 0
    assert (won.root / cli.REPORT).exists()
    experiment.unlink()
    cli.write_result(WORDS, as_json=False)
    assert "Take it: mm compose experiment=found" in capsys.readouterr().out
    assert "Trial 0 of 1" in experiment.read_text()


def test_a_search_without_a_winner_is_no_success(failed, monkeypatch):
    study, result = failed()
    host = SimpleNamespace(study=study, pool=[None], close=lambda: None)
    monkeypatch.setattr(cli, "opened", lambda *_: nullcontext(host))
    monkeypatch.setattr(cli, "search", lambda *_, **__: (Ended("all trials are done"), result))
    with pytest.raises(MmcoreError, match="No trial came to a score"):
        cli.run_search(WORDS, as_json=False)


def test_looked_at_later_it_says_why_it_ended_and_why_its_trials_failed(failed, capsys):
    failed()
    with pytest.raises(MmcoreError, match=r"3 x \.mm/search/found/trials/\* is full of holes"):
        cli.write_result(WORDS, as_json=False)
    assert "0 complete, 0 pruned, 3 failed. The search ended because all trials are done." in capsys.readouterr().out


def test_one_that_was_cut_off_before_its_first_score_says_that_it_goes_on(failed):
    failed(trials=0)
    with pytest.raises(MmcoreError, match=r"so far \(0 complete, 0 pruned, 0 failed\)\. Started again"):
        cli.write_result(WORDS, as_json=False)
