"""What `mm search` ends with where no trial came to a score; no worker is started."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from mmcore.cli import search as cli
from mmcore.errors import MmcoreError
from mmcore.search.driver import Ended
from mmcore.search.session import BETTER, result_of, save, study_of
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
