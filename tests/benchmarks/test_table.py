"""Every row of the table can be composed, and is judged as its goals say."""

import fusions
import pytest
from goals.page import write_page
from goals.project import ROOT, Outcome
from goals.rows import Benchmark, Goal
from goals.score import lines
from goals.table import BENCHMARKS

from mmcore.config.compose import compose
from mmcore.registry.plugins import installed


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_row_composes_and_monitors_something(name):
    row = BENCHMARKS[name]
    runs = {**row.runs, **row.beside}
    for choices in list(runs.values())[:1]:
        tree = compose(ROOT, [*row.choices, f"data.source.path={row.table}", *choices], plugins=installed())
        assert tree["training"]["monitor"].split("/")[0] in tree["tasks"]
        assert all(goal.metric.removeprefix("worst:").split("/")[0] in tree["tasks"] for goal in row.goals)


def outcome(tmp_path, **metrics):
    found = {key.replace("__", "/"): value for key, value in metrics.items()}
    return Outcome(found, parameters=5, seconds=2.0, folder=tmp_path, choices=("experiment=x",))


def row_of(*goals, **more):
    return Benchmark("what", data=None, table="x.csv", choices=(), goals=goals, **more)


def test_one_run_has_its_own_interval(tmp_path):
    ran = {"": outcome(tmp_path, t__m=0.9, t__m__low=0.8, t__m__high=0.95, t__m__floor__majority=0.5)}
    (line,) = lines("x", row_of(Goal("t/m", 0.85)), ran, others={}, floors={})
    assert (line["ours"], line["spread"], line["met"]) == (0.9, [0.8, 0.95], True)
    assert line["floors"] == {"majority": 0.5}


def test_several_runs_are_a_mean_with_an_interval_and_a_worst_one(tmp_path):
    ran = {name: outcome(tmp_path, t__m=value) for name, value in {"a": 0.7, "b": 0.8, "c": 0.9}.items()}
    mean, worst = lines("x", row_of(Goal("t/m", 0.85), Goal("worst:t/m")), ran, others={}, floors={})
    assert mean["ours"] == pytest.approx(0.8)
    assert mean["spread"][0] < 0.7 < 0.9 < mean["spread"][1]
    assert mean["met"] is False
    assert (worst["ours"], worst["met"]) == (0.7, None)


@pytest.mark.parametrize(("score", "met"), [(0.93, True), (0.91, False)])
def test_a_goal_may_be_a_distance_from_the_best_of_what_stands_beside(tmp_path, score, met):
    ran = {"": outcome(tmp_path, t__m=score, t__m__floor__image=0.9, t__m__floor__sound=0.5)}
    (line,) = lines("x", row_of(Goal("t/m", beside=("image", "sound"), by=0.02)), ran, others={}, floors={})
    assert line["goal"] == pytest.approx(0.92)
    assert line["met"] is met


def test_less_may_be_better():
    goal = Goal("t/bits", better="down", beside=("trigram",), by=-0.3)
    assert goal.bound_beside({"trigram": 7.0}) == pytest.approx(6.7)
    assert goal.met(6.6, 6.7)
    assert not goal.met(6.8, 6.7)
    assert goal.met(6.6, goal.bound_beside({})) is None


def test_other_trainings_stand_beside_it_as_floors_do(tmp_path):
    ran, other = {"": outcome(tmp_path, t__m=0.9)}, {"text only": {"": outcome(tmp_path, t__m=0.6)}}
    (line,) = lines("x", row_of(Goal("t/m", 0.8)), ran, others=other, floors={"linear": 0.7})
    assert line["floors"] == {"linear": 0.7, "text only": 0.6}


@pytest.mark.parametrize("name", sorted(fusions.TRIALS))
def test_every_fusion_composes_with_the_data_sets_that_it_is_compared_on(name):
    trial = fusions.TRIALS[name]
    choices = list(fusions.fusions_of(trial).values())
    picked = choices[len(name) % len(choices)]  # composing takes long: one a data set
    tree = compose(ROOT, [*trial.choices, picked, f"data.source.path={trial.table}"], plugins=installed())
    assert trial.metric.split("/")[0] in tree["tasks"]


def test_the_table_of_fusions_marks_the_best_of_each_column():
    cells = [
        {"data": "av_same", "fusion": name, "mean": mean, "deviation": spread, "parameters": 1000, "seconds": 3.0}
        for name, mean, spread in (("concat", 0.9, None), ("film", 0.95, 0.01))
    ]
    assert "**95.0** ± 1.0" in fusions.markdown(cells)
    assert " 90.0<br>" in fusions.markdown(cells)  # one training has no deviation


def test_the_page_tells_each_row_its_goal_and_how_to_make_it_again(tmp_path):
    ran = {"": outcome(tmp_path, t__m=0.9, t__m__low=0.8, t__m__high=0.95, t__m__floor__majority=0.5)}
    rows = lines("pairs & names", row_of(Goal("t/m", 0.85), Goal("t/m")), ran, others={}, floors={})
    write_page(tmp_path / "page.html", rows, quick=False)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for told in ("pairs &amp; names", "reached", "≥ 0.85", "0.8 to 0.95", "majority 0.5", "mm compose experiment=x"):
        assert told in page
