import math

import pytest

from mmcore.report.search import Compared, Page, render_search
from mmcore.report.search_charts import Point, Scale


def points(count=12, objectives=1):
    found = []
    for number in range(count):
        settings = {"training.lr": 0.001 * 2**number, "fusion": ("film", "concat")[number % 2]}
        if number % 2:
            settings["fusion[concat].width"] = 2 ** (number % 5)
        values = (0.5 + 0.03 * number, 1000.0 * (number + 1))[:objectives]
        found.append(Point(number, "complete", values, settings, strong=number == count - 1))
    found.append(Point(count, "pruned", (0.4,), {"training.lr": 0.1}))
    found.append(Point(count + 1, "failed", None, {"training.lr": 1.0}))
    return found


def page(**changed):
    given = {
        "objectives": ["answer/accuracy"], "better": ["up"], "why": "all trials are done", "points": points(),
        "space": {"training.lr": "0.001 to 1 by factors"}, "importances": {"training.lr": 0.8, "fusion": 0.2},
        "winner": 11, "changes": {"training.lr": 2.048}, "experiment": "conf/experiment/found_x.yaml",
        "failures": {"out of memory: <b>": 1},
    }  # fmt: skip
    return Page(**{**given, **changed})


def test_the_page_tells_all_of_a_search():
    text = render_search(page(), title="Search: x")
    for words in ("History", "What mattered", "All settings together", "Each setting by itself", "The space"):
        assert words in text
    assert "mm compose experiment=found_x" in text
    assert "out of memory: &lt;b&gt;" in text
    assert "Pareto" not in text
    assert "It was not trained anew" in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_several_objectives_have_their_front_shown():
    both = page(objectives=["answer/accuracy", "parameters"], better=["up", "down"], points=points(objectives=2),
                front=[0, 11])  # fmt: skip
    text = render_search(both, title="x")
    assert "Pareto front" in text
    assert "2 trials that no other one beats" in text


@pytest.mark.parametrize(("verdict", "dot"), [("better", "good"), ("worse", "bad"), ("open", "open")])
def test_whether_the_winner_is_better_stands_at_the_top(verdict, dot):
    compared = Compared("answer/accuracy", "test", verdict, "What to make of it.", {0: 0.9, 1: 0.91}, {0: 0.8, 1: 0.82})
    text = render_search(page(compared=compared), title="x")
    assert f'class="verdict {dot}"' in text
    assert text.index("What to make of it.") < text.index("History")
    assert "seed 1" in text


def test_scores_are_told_as_they_are():
    """Whether a score is a share its numbers do not say: R² lies between 0 and 1 as well."""
    compared = Compared("price/r2", "test", "better", "It is.", {0: 0.9, 1: 0.91}, {0: 0.8, 1: 0.82})
    text = render_search(page(compared=compared), title="x")
    assert "0.905" in text
    assert "90.5 %" not in text


def test_a_search_without_a_score_has_a_page_too():
    failed = [Point(0, "failed", None, {"training.lr": 1.0})]
    text = render_search(page(points=failed, winner=None, changes={}, importances={}, experiment=None), title="x")
    assert "no score" in text
    assert "History" not in text


def test_settings_that_never_changed_are_not_drawn():
    same = [Point(n, "complete", (0.5,), {"a": 1, "b": n}) for n in range(3)]
    assert page(points=same, importances={}).names == ["b"]


def test_values_lie_on_their_line_from_one_end_to_the_other():
    factors = Scale.of([0.001, 0.01, 0.1])
    assert factors.log
    assert [factors.share(v) for v in (0.001, 0.01, 0.1)] == pytest.approx([0, 0.5, 1])
    assert Scale.of([1, 2, 3]).share(2) == 0.5
    words = Scale.of(["b", "a", 3])
    assert [words.share(v) for v in (3, "a", "b")] == [0, 0.5, 1]
    assert Scale.of([5, 5]).share(5) == 0.5
    assert math.isclose(Scale.of([True, False]).share(True), 1)
