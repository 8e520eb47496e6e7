"""Mean and interval over repeats."""

import pytest

from mmcore.evaluation.spread import difference, over_folds, over_seeds


def test_the_interval_over_seeds_is_students() -> None:
    found = over_seeds({"a": {"t/m": 1.0}, "b": {"t/m": 2.0}, "c": {"t/m": 3.0}}, confidence=0.95)["t/m"]
    assert (found["mean"], found["deviation"], found["least"], found["most"], found["runs"]) == (2.0, 1.0, 1.0, 3.0, 3)
    assert found["high"] - found["mean"] == pytest.approx(4.302653 / 3**0.5, abs=1e-6)  # t, 2 degrees of freedom


def test_folds_count_by_their_rows() -> None:
    found = over_folds({"a": {"t/m": 0.0}, "b": {"t/m": 1.0}}, {"a": 1, "b": 3}, confidence=0.9)["t/m"]
    assert found["mean"] == 0.75


def test_one_run_has_no_width_and_scores_that_a_run_lacks_are_left_out() -> None:
    found = over_seeds({"a": {"t/m": 0.5, "t/k": 1.0}}, confidence=0.95)
    assert found["t/m"]["low"] == found["t/m"]["high"] == 0.5
    assert set(over_seeds({"a": {"t/m": 1.0, "t/k": 1.0}, "b": {"t/m": 1.0}}, confidence=0.95)) == {"t/m"}


def test_the_interval_of_a_share_stays_between_0_and_1() -> None:
    runs = {"a": {"t/f1": 0.1, "t/r2": 0.1}, "b": {"t/f1": 0.9, "t/r2": 0.9}}
    for found in (
        over_seeds(runs, confidence=0.95, shares=["t/f1"]),
        over_folds(runs, {"a": 5, "b": 5}, confidence=0.95, shares=["t/f1"]),
    ):
        assert (found["t/f1"]["low"], found["t/f1"]["high"]) == (0, 1)
        assert found["t/r2"]["low"] < 0
        assert found["t/r2"]["high"] > 1


def test_runs_that_are_all_alike_say_nothing_of_chance() -> None:
    assert difference([0.9] * 3, [0.85] * 3, confidence=0.95) is None
    assert difference([0.9], [0.8, 0.7], confidence=0.95) is None
    found = difference([0.9, 0.9, 0.9], [0.8, 0.7, 0.75], confidence=0.95)
    assert found is not None
    assert found[0] == pytest.approx(0.15)
    assert found[1] < found[0] < found[2]
