"""Intervals cover what they claim, and groups count, not rows."""

import numpy as np

from mmcore.evaluation.intervals import interval
from mmcore.testing.toys.task import ToyAccuracy


class Slow(ToyAccuracy):
    """The same score as no mean over rows."""

    def rows(self, predictions, targets):
        return None

    def __call__(self, predictions, targets):
        return float((predictions["label"] == targets["label"]).mean())


def bounds(right: np.ndarray, group: np.ndarray, metric=None, resamples: int = 500) -> tuple[float, float]:
    tables = {"label": np.where(right, "a", "b")}, {"label": np.full(len(right), "a")}
    return interval(metric or ToyAccuracy(), *tables, group=group, confidence=0.95, resamples=resamples, seed=0)


def test_rows_of_one_group_count_as_one_observation() -> None:
    right = np.random.default_rng(0).random(100) < 0.7
    alone = bounds(np.repeat(right, 10), np.arange(1000))
    together = bounds(np.repeat(right, 10), np.repeat(np.arange(100), 10))
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_the_fast_way_and_the_slow_way_agree() -> None:
    right = np.random.default_rng(1).random(400) < 0.6
    group = np.repeat(np.arange(100), 4)
    np.testing.assert_allclose(bounds(right, group), bounds(right, group, Slow()), atol=0.02)


def test_the_true_value_lies_inside_about_as_often_as_claimed() -> None:
    draw = np.random.default_rng(2)
    inside = 0
    for _ in range(100):
        low, high = bounds(draw.random(200) < 0.7, np.arange(200), resamples=300)
        inside += low <= 0.7 <= high
    assert inside >= 88


def test_one_group_or_no_resamples_give_no_interval() -> None:
    right = np.array([True, False])
    assert np.isnan(bounds(right, np.zeros(2, dtype=int))).all()
    assert np.isnan(bounds(right, np.arange(2), resamples=0)).all()


def test_no_mistake_among_few_groups_is_not_certainty() -> None:
    few, many = bounds(np.ones(20), np.arange(20)), bounds(np.ones(2000), np.arange(2000))
    assert few[1] == many[1] == 1.0
    assert 0.8 < few[0] < 0.9
    assert 0.99 < many[0] < 1.0
    assert bounds(np.ones(40), np.repeat(np.arange(20), 2)) == few
    low, high = bounds(np.zeros(20), np.arange(20))
    np.testing.assert_allclose((low, high), (1 - few[1], 1 - few[0]))
