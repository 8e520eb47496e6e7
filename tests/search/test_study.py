import json
import threading

import pytest

from mmcore.errors import ConfigError
from mmcore.search.dimensions import Dimension, Number, Options
from mmcore.search.rows import Row, State
from mmcore.search.samplers import check, pruner_of
from mmcore.search.settings import SearchSettings
from mmcore.search.space import Space
from mmcore.search.storage import Patience, _lock_of, mend, open_journal
from mmcore.search.study import TRIES, open_study
from mmcore.search.winner import best_row, importances

BASE = {"training": {"lr": 0.01, "kind": "a"}, "model": {"width": 8}}
LR = Dimension("training.lr", "training.lr", Number(0.001, 0.1, log=True))
KIND = Dimension("training.kind", "training.kind", Options({"a": "a", "b": "b"}))
WIDTH = Dimension("model.width", "model.width", Number(4, 16, whole=True, factor=True))
SPACE = Space((LR, KIND, WIDTH), BASE)


@pytest.fixture
def study(tmp_path):
    def opened(space=SPACE, *, sampler="random", trials=6, better=("up",), seed=0, name="s", about=None, **settings):
        chosen = SearchSettings(sampler=sampler, seed=seed, **settings)
        return open_study(
            open_journal(tmp_path / name / "journal.log"), space, name=name, better=better,
            about={"space": space.described()} if about is None else about, sampler=sampler,
            pruner=pruner_of(chosen, objectives=len(better), steps=5), seed=seed, trials=trials,
            patience=Patience(5, say=print),
        )  # fmt: skip

    return opened


def run(study, limit=100, die_at=(), unbuilt=()):
    """Ask and answer until there is nothing to ask; what was drawn, by the trial's root.

    unbuilt: widths of which no model can be built.
    """
    drawn = {}
    for number in range(limit):
        asked = study.ask()
        if asked is None:
            break
        if number in die_at:
            continue
        if asked.drawn.named["model.width"] in unbuilt:
            study.unbuilt(asked.identity, "too narrow")
            continue
        drawn[asked.root] = asked.drawn.named
        study.complete(asked.identity, [asked.drawn.named["training.lr"]], {"scores": {}, "seconds": 1.0})
    return drawn


def test_the_present_settings_are_the_first_trial(study):
    made = study()
    made.begin(present=True)
    assert made.ask().drawn.named == {"training.lr": 0.01, "training.kind": "a", "model.width": 8}
    assert [row.present for row in made.rows()] == [True]


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_one_worker_and_a_seed_give_the_same_trials_twice(study, sampler):
    one, other, third = (
        run(study(sampler=sampler, seed=seed, name=name, trials=14)) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert one == other
    assert one != third
    assert len(one) == 14


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_that_was_killed_draws_what_one_that_was_not_draws(study, sampler):
    whole = run(study(sampler=sampler, trials=14, name="whole"))
    run(study(sampler=sampler, trials=14, name="killed"), limit=6, die_at=[5])
    again = study(sampler=sampler, trials=14, name="killed")
    assert again.gather(alone=True) == 1
    run(again)
    rows = sorted((row for row in again.rows() if row.state is State.COMPLETE), key=lambda row: row.root)
    assert [row.named for row in rows] == list(whole.values())


def test_what_cannot_be_built_is_drawn_again_and_the_same_after_a_kill(study):
    whole = run(study(trials=8, name="whole"), unbuilt=[4])
    run(study(trials=8, name="killed"), limit=5, die_at=[4], unbuilt=[4])
    again = study(trials=8, name="killed")
    again.gather(alone=True)
    run(again, unbuilt=[4])
    rows = sorted(again.rows(), key=lambda row: row.root)
    assert len(whole) == 8
    assert State.UNBUILT in {row.state for row in rows}
    assert [row.named for row in rows if row.state is State.COMPLETE] == list(whole.values())


def test_a_trial_that_died_runs_again_with_what_it_reported_and_counts_once(study):
    made = study(trials=2)
    asked = made.ask()
    made.report(asked.identity, 1, 0.5)
    again = study(trials=2)
    assert (again.gather(alone=True), again.gather(alone=True)) == (1, 0)
    retried = again.ask()
    assert (retried.root, retried.drawn) == (asked.root, asked.drawn)
    assert retried.number != asked.number
    again.complete(retried.identity, [1.0], {"scores": {}, "seconds": 1.0})
    assert again.ask() is not None
    assert again.ask() is None
    states = [(row.root, row.state, row.steps) for row in again.rows()][:2]
    assert states == [(0, State.DIED, {1: 0.5}), (0, State.COMPLETE, {1: 0.5})]


def test_a_kill_between_giving_up_a_trial_and_asking_for_it_again_loses_nothing(study):
    import optuna

    made = study()
    asked = made.ask()
    made.optuna.tell(asked.number, state=optuna.trial.TrialState.FAIL)  # killed here
    assert study().gather(alone=True) == 1


def test_a_trial_whose_worker_dies_again_and_again_is_a_failed_one(study):
    made = study(trials=1)
    for _ in range(TRIES - 1):
        assert made.died(made.ask().identity, "its worker was ended by SIGKILL", blame=True)
    assert not made.died(made.ask().identity, "its worker was ended by SIGKILL", blame=True)
    assert made.ask() is None
    last = made.rows()[-1]
    assert (last.state, last.reason) == (State.FAILED, f"its worker was ended by SIGKILL ({TRIES} times)")


def test_who_is_told_twice_believes_the_first(study):
    made = study()
    asked = made.ask()
    for value in (1.0, 2.0):
        made.complete(asked.identity, [value], {"scores": {}, "seconds": 1.0})
    assert made.rows()[0].values == (1.0,)


def test_a_line_that_a_kill_cut_off_does_not_spoil_the_journal(study, tmp_path):
    made = study()
    run(made, limit=2)
    journal = tmp_path / "s" / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.splitlines(keepends=True)[-1][:-7])
    again = study()
    assert journal.read_bytes().startswith(whole)
    assert len(run(again)) == 4
    assert len(study().rows()) == 6
    assert mend(journal) == 0


def test_a_line_that_another_process_is_writing_is_not_cut_off(study, tmp_path):
    """`mm search NAME --result` beside a search that runs."""
    run(study(), limit=1)
    journal = tmp_path / "s" / "journal.log"
    lock = _lock_of(journal)
    lock.acquire()
    with journal.open("ab") as file:
        file.write(b"half a ")
        file.flush()
        beside = threading.Thread(target=mend, args=(journal,))
        beside.start()
        beside.join(0.3)
        file.write(b"line\n")
    lock.release()
    beside.join()
    assert journal.read_bytes().endswith(b"half a line\n")


def test_a_study_with_another_space_is_refused_with_what_differs(study):
    study()
    other = Space((Dimension("training.lr", "training.lr", Number(0.01, 0.1, log=True)), KIND, WIDTH), BASE)
    with pytest.raises(
        ConfigError, match=r"search 's' already.*\n.*training.lr: was '0.001 to 0.1 by factors', is now"
    ):
        study(other)


def test_a_grid_is_gone_through_once_and_goes_on_where_it_was(study):
    grid = Space((KIND, WIDTH), BASE)
    made = study(grid, sampler="grid", trials=100)
    first = [made.ask().drawn.named for _ in range(3)]
    again = study(grid, sampler="grid", trials=100)
    again.gather(alone=True)
    drawn = []
    while (asked := again.ask()) is not None:
        drawn.append(asked.drawn.named)
        again.complete(asked.identity, [0.0], {"scores": {}, "seconds": 1.0})
    assert sorted(map(json.dumps, drawn)) == sorted(json.dumps(point.named) for point in grid.points())
    assert drawn[:3] == first


def test_a_trial_behind_the_others_is_pruned(study):
    made = study(pruner="median", trials=20)
    for _ in range(6):
        asked = made.ask()
        # Of Python's own kind: the answer goes to a worker as JSON.
        assert all(made.report(asked.identity, step, 1.0) is False for step in range(1, 4))
        made.complete(asked.identity, [1.0], {"scores": {}, "seconds": 1.0})
    behind = made.ask()
    assert any(made.report(behind.identity, step, 0.1) is True for step in range(1, 4))
    made.prune(behind.identity, {})
    assert made.rows()[-1].state is State.PRUNED


def test_wilcoxon_compares_fold_by_fold(study):
    made = study(pruner="wilcoxon", folds=8, trials=20)
    asked = made.ask()
    for fold in range(8):
        made.report(asked.identity, fold, 0.9 + 0.001 * fold)
    made.complete(asked.identity, [0.9], {"scores": {}, "seconds": 1.0})
    behind = made.ask()
    assert any(made.report(behind.identity, fold, 0.5 + 0.002 * fold) for fold in range(8))


def test_of_equal_trials_the_settings_that_are_there_win(study):
    made = study(trials=4)
    for _ in range(2):
        made.complete(made.ask().identity, [0.7], {"scores": {}, "seconds": 1.0})
    made.optuna.enqueue_trial({"training.lr": 0.01, "training.kind": "a", "model.width (doublings)": 1},
                              user_attrs={"present": True})  # fmt: skip
    made.complete(made.ask().identity, [0.7], {"scores": {}, "seconds": 1.0})
    winner, front = best_row(made, made.rows())
    assert winner.present
    assert front == []


def test_several_objectives_have_a_front(study):
    made = study(better=("up", "down"), trials=10)
    for values in ((0.9, 100.0), (0.8, 10.0), (0.7, 50.0)):
        asked = made.ask()
        assert not made.report(asked.identity, 1, 0.0)
        made.complete(asked.identity, values, {"scores": {}, "seconds": 1.0})
    winner, front = best_row(made, made.rows())
    assert [row.number for row in front] == [0, 1]
    assert winner.number == 0


def test_what_mattered_is_told(study):
    made = study(trials=25)
    run(made)
    found = importances(made)
    assert next(iter(found)) == "training.lr"
    assert sum(found.values()) == pytest.approx(1)


ENDLESS = Space((LR,), BASE)
PARTLY = Space(
    (KIND, Dimension("w", "model.width", Number(4, 16, whole=True), when=(("training.kind", ("a",)),))), BASE
)


@pytest.mark.parametrize(
    ("space", "objectives", "settings", "message"),
    [
        (ENDLESS, 1, {"sampler": "grid"}, "grid goes through every point, but training.lr has no end of them"),
        (Space((KIND,), BASE), 1, {"sampler": "cmaes"}, "cmaes takes numbers alone, but training.kind is a choice"),
        (ENDLESS, 2, {"sampler": "cmaes"}, "cmaes takes one objective"),
        (PARTLY, 1, {"sampler": "gp"}, "gp needs the same settings in every trial"),
        (ENDLESS, 2, {"pruner": "median"}, "pruner=median cannot be had with 2 objectives"),
        (ENDLESS, 1, {"pruner": "wilcoxon"}, "there must be folds: folds=5"),
        (ENDLESS, 2, {"target": 0.5}, "target=0.5 is for one objective"),
    ],
)
def test_what_does_not_go_together_is_said_at_the_start(space, objectives, settings, message):
    with pytest.raises(ConfigError, match=message):
        check(SearchSettings(**settings), space, objectives=objectives)


def test_gp_and_cmaes_draw_where_they_can(study):
    numbers = Space((LR, WIDTH), BASE)
    for sampler in ("gp", "cmaes"):
        drawn = run(study(numbers, sampler=sampler, trials=13, name=sampler))
        assert len(drawn) == 13
        assert all(0.001 <= named["training.lr"] <= 0.1 for named in drawn.values())


def test_of_a_plugin_its_name_is_told_beside_what_was_drawn_of_its_settings():
    changes = {"training.lr": 0.1, "fusion": {"name": "concat", "width": 128}, "fusion.width": 256}
    row = Row(0, 0, State.COMPLETE, (0.5,), {}, changes, {}, {}, "", 1.0, False)
    assert row.told == {"training.lr": 0.1, "fusion": "concat", "fusion.width": 256}
