"""The loop, with trials that take no time."""

import re
import threading
from dataclasses import replace

import pytest

from mmcore.errors import ConfigError, PluginError
from mmcore.search import driver
from mmcore.search.driver import Search
from mmcore.search.host import Told
from mmcore.search.rows import State
from mmcore.search.samplers import pruner_of
from mmcore.search.session import with_saved
from mmcore.search.storage import Patience, open_journal
from mmcore.search.study import open_study
from mmcore.search.winner import Comparison, Result


class Shown:
    """Keeps what a person would see."""

    def __init__(self):
        self.lines, self.told, self.folders, self.most, self.now = [], [], [], 0, 0

    def began(self, asked):
        self.now += 1
        self.most = max(self.most, self.now)

    def ended(self, asked, told):
        self.now -= 1
        self.told.append(told)

    def tick(self): ...

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def run(project):
    """Search with a function from a trial's values to its score, or to the reason why there is none."""

    def searched(score, *, places=2, stopped=lambda: False, **settings):
        plan = project.plan(**settings)
        study = open_study(
            open_journal(plan.journal), plan.space, name=plan.name, better=["up"], about=plan.about(),
            sampler=plan.settings.sampler, pruner=pruner_of(plan.settings, objectives=1, steps=2),
            seed=0, trials=plan.settings.trials, patience=Patience(5, say=print),
        )  # fmt: skip
        shown = Shown()

        def submit(order, done):
            shown.folders.append(order.folder)

            def work():
                found = score(order.values)
                if isinstance(found, OSError):
                    study.died(order.identity, str(found), blame=False)
                    done(Told(order.number, State.DIED, reason=str(found), denied=True))
                elif isinstance(found, ConfigError):
                    study.unbuilt(order.identity, str(found))
                    done(Told(order.number, State.UNBUILT, reason=str(found)))
                elif isinstance(found, str):
                    study.fail(order.identity, found, {})
                    done(Told(order.number, State.FAILED, reason=found))
                elif found is None:
                    again = study.died(order.identity, "its worker was ended by SIGKILL", blame=True)
                    done(Told(order.number, State.DIED if again else State.FAILED))
                else:
                    study.complete(order.identity, [found], {"scores": {}, "seconds": 0.1})
                    done(Told(order.number, State.COMPLETE, found))

            threading.Thread(target=work).start()

        ended = Search(plan, study, shown, places=places, shared=False).run(submit, stopped=stopped)
        return ended, study, shown

    return searched


def lr(values):
    return values["training"]["lr"]


def test_the_number_of_trials_is_a_budget_that_a_second_run_shares(run):
    ended, study, shown = run(lr, trials=5, places=3)
    assert ended.why == "all trials are done"
    assert [row.state for row in study.rows()] == [State.COMPLETE] * 5
    assert 1 < shown.most <= 3
    assert len(run(lr, trials=5)[2].told) == 0
    assert len(run(lr, trials=7)[2].told) == 2


def test_a_new_study_of_the_same_name_finds_nothing_of_the_former_under_its_numbers(run, project):
    _, _, former = run(lr, trials=2, name="s")
    for folder in former.folders:
        (project.root / folder).mkdir(parents=True)
    (project.root / ".mm/search/s/journal.log").unlink()
    project.compose("training.weight_decay=0.02")
    _, _, new = run(lr, trials=2, name="s")
    assert not {*former.folders} & {*new.folders}
    assert not any((project.root / folder).exists() for folder in former.folders)


def test_time_is_a_budget(run):
    ended, study, _ = run(lr, minutes=0)
    assert ended.why == "the 0 minutes are over"
    assert [row.state for row in study.rows()] == [State.WAITING]


def test_a_target_that_is_reached_ends_it(run):
    ended, study, _ = run(lr, target=0.0005, trials=50, places=1)
    assert ended.why == "the target 0.0005 is reached"
    assert len(study.rows()) == 1


def test_a_trial_that_fails_is_noted_and_the_search_goes_on(run):
    ended, study, _ = run(lambda values: "NaN" if values["fusion"]["width"] == 4 else 0.5, trials=12)
    states = {row.state for row in study.rows()}
    assert states == {State.COMPLETE, State.FAILED}
    assert {row.reason for row in study.rows() if row.state is State.FAILED} == {"NaN"}
    assert not ended.too_many_failed


def test_too_many_failures_end_it(run):
    ended, study, _ = run(lambda values: "out of memory", trials=50, max_failed=3, places=1)
    assert ended.too_many_failed
    assert ended.why == "3 of 3 trials failed"
    assert len(study.rows()) == 3


def assert_drawn_again(ended, study, *, trials, reason):
    """The search came to all its trials, and some points before were none for that reason."""
    states = [row.state for row in study.rows()]
    assert ended.why == "all trials are done"
    assert {*states} == {State.COMPLETE, State.UNBUILT}
    assert states.count(State.COMPLETE) == trials
    assert {row.reason for row in study.rows() if row.state is State.UNBUILT} == {reason}


def test_a_point_of_which_no_model_can_be_built_is_drawn_again_and_is_no_trial(run):
    def narrow(values):
        return ConfigError("too narrow") if values["fusion"]["width"] == 4 else lr(values)

    ended, study, _ = run(narrow, trials=6, max_failed=1)
    assert_drawn_again(ended, study, trials=6, reason="too narrow")


def test_a_space_of_which_nothing_can_be_built_ends_it(run, monkeypatch):
    monkeypatch.setattr(driver, "UNBUILT", 4)
    ended, study, _ = run(lambda values: ConfigError("too narrow"), trials=2, places=1)
    assert (ended.too_many_failed, ended.why) == (True, "of 4 draws in a row no model could be built")
    assert len(study.rows()) == 4


def test_what_could_not_be_built_ends_no_later_run(run, monkeypatch):
    monkeypatch.setattr(driver, "UNBUILT", 4)
    run(lambda values: ConfigError("too narrow"), trials=2, places=1)
    ended, study, _ = run(lr, trials=2, places=1)
    assert ended.why == "all trials are done"
    assert [row.state for row in study.rows()] == [State.UNBUILT] * 4 + [State.COMPLETE] * 2


def test_a_grid_goes_through_all_its_points_though_nothing_can_be_built(run, monkeypatch):
    monkeypatch.setattr(driver, "UNBUILT", 2)
    grid = {"sampler": "grid", "space": {"fusion.width": [4, 8, 16]}}
    ended, study, _ = run(lambda values: ConfigError("too narrow"), trials=3, places=1, **grid)
    assert ended.why == "all trials are done"
    assert [row.state for row in study.rows()] == [State.UNBUILT] * 3


def test_present_settings_outside_the_space_are_told(run):
    space = {"training.lr": {"low": 0.01, "high": 0.1}, "fusion.width": {"low": 16, "high": 32}}
    _, study, shown = run(lr, trials=1, space=space)
    told = "The present settings lie outside the space (training.lr=0.001, fusion.width=8), so they are not a trial."
    assert told in shown.lines
    assert not any(row.present for row in study.rows())
    assert told not in run(lr, trials=2, space=space)[2].lines


def test_settings_that_do_not_go_together_are_no_trial(run, project, monkeypatch):
    settle = type(project.plan().project).settle

    def strict(self, changes):
        if changes["fusion.width"] == 4:
            raise ConfigError("they do not go together")
        return settle(self, changes)

    monkeypatch.setattr(type(project.plan().project), "settle", strict)
    ended, study, _ = run(lr, trials=6, max_failed=1)
    assert_drawn_again(ended, study, trials=6, reason="they do not go together")


def test_what_cannot_be_looked_up_is_a_failed_trial(run, project, monkeypatch):
    def settle(self, changes):
        raise PluginError("no such plugin")

    monkeypatch.setattr(type(project.plan().project), "settle", settle)
    _, study, _ = run(lr, trials=2, max_failed=50)
    assert [(row.state, row.reason) for row in study.rows()] == [(State.FAILED, "no such plugin")] * 2


def test_a_trial_whose_worker_dies_is_run_again_and_no_other_is_lost(run):
    deaths = iter([None])
    _, study, _ = run(lambda values: next(deaths, lr(values)), trials=5)
    rows = study.rows()
    assert sum(row.state is State.COMPLETE for row in rows) == 5
    assert sum(row.state is State.DIED for row in rows) == 1
    assert {row.root for row in rows} == {row.root for row in rows if row.state is State.COMPLETE}


def test_a_full_disk_ends_it_and_with_room_again_the_same_trials_run(run):
    ended, study, shown = run(lambda values: OSError("the disk is full"), trials=3, places=1)
    assert (ended.why, ended.denied) == ("the disk is full", True)
    assert [row.state for row in study.rows()] == [State.DIED, State.WAITING]
    assert len(shown.told) == 1
    ended, study, _ = run(lr, trials=3, places=1)
    assert ended.why == "all trials are done"
    assert [row.root for row in study.rows() if row.state is State.COMPLETE] == [0, 2, 3]


def test_asked_to_stop_it_starts_nothing_more(run):
    ended, study, _ = run(lr, stopped=lambda: True)
    assert ended.stopped
    assert [row.state for row in study.rows()] == [State.WAITING]


def comparison(low, high, better="up"):
    return Comparison("a/b", "test", better, {0: 0.9, 1: 0.91}, {0: 0.8, 1: 0.81}, 0.1, low, high)


@pytest.mark.parametrize(
    ("compared", "verdict", "words"),
    [
        (comparison(0.05, 0.15), "better", "Better than the settings that were there: .*0.1 a/b"),
        (comparison(-0.05, 0.15), "open", "Not shown to be better: .*holds zero"),
        (comparison(-0.15, -0.05), "worse", "Not better: worse"),
        (comparison(-0.15, -0.05, better="down"), "better", "Better"),
        (comparison(None, None), "one", "nobody can say whether that is chance"),
        (Comparison("a/b", "test", "up", {0: 0.8}, {0: 0.8}), "same", "they are the winner"),
    ],
)
def test_a_winner_that_is_not_better_is_called_so(compared, verdict, words):
    assert compared.verdict == verdict
    assert re.search(words, compared.sentence())


def test_a_comparison_is_kept_for_its_winner_alone(run, tmp_path):
    from mmcore.search.session import save
    from mmcore.search.winner import best_row

    _, study, _ = run(lr, trials=3)
    winner, _ = best_row(study, study.rows())
    result = Result("s", "why", ("a/b",), ("up",), study.rows(), winner, comparison=comparison(0.05, 0.15))
    save(result, tmp_path)
    bare = Result("s", "", ("a/b",), ("up",), study.rows(), winner)
    assert with_saved(bare, tmp_path).comparison == result.comparison
    other = next(row for row in study.rows() if row != winner)
    assert with_saved(Result("s", "", ("a/b",), ("up",), study.rows(), other), tmp_path).comparison is None
    elsewhere = replace(winner, changes={**winner.changes, "training.lr": 0.5})  # of the same number
    assert with_saved(Result("s", "", ("a/b",), ("up",), study.rows(), elsewhere), tmp_path).comparison is None
