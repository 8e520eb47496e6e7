"""Intervals cover what they claim, and groups count, not rows."""

import tracemalloc

import numpy as np
import pytest

from mmcore.evaluation import intervals
from mmcore.evaluation.intervals import interval, means_of
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


class Median(ToyAccuracy):
    """The median of a column; counts how often the costly part is done."""

    def __init__(self, *, digests: bool) -> None:
        self.digests, self.costly = digests, 0

    def __call__(self, predictions, targets):
        self.costly += 1
        return float(np.median(predictions["value"]))

    def rows(self, predictions, targets):
        return None

    def digest(self, predictions, targets):
        self.costly += 1
        return {"value": predictions["value"]} if self.digests else None

    def of(self, digest):
        return float(np.median(digest["value"]))


def test_a_digest_is_made_once_and_gives_the_same_interval() -> None:
    value, group = np.random.default_rng(3).normal(size=300), np.repeat(np.arange(100), 3)
    found, costs = [], []
    for metric in (Median(digests=True), Median(digests=False)):
        tables = {"value": value}, {}
        found.append(interval(metric, *tables, group=group, confidence=0.95, resamples=200, seed=0))
        costs.append(metric.costly)
    assert found[0] == found[1]
    assert costs[0] == 1
    assert found[0][0] < np.median(value) < found[0][1]


def test_rows_that_do_not_count_are_no_observations() -> None:
    class Sparse(ToyAccuracy):
        def rows(self, predictions, targets):
            right = super().rows(predictions, targets)
            return np.where(np.arange(len(right)) % 2, np.nan, right)

    right = np.random.default_rng(4).random(200) < 0.7
    assert bounds(right, np.arange(200), Sparse()) == bounds(right[::2], np.arange(100))


def test_a_score_that_is_defined_on_no_sample_has_no_interval() -> None:
    class Never(Median):
        def of(self, digest):
            return float("nan")

    tables = {"value": np.arange(10.0)}, {}
    low, high = interval(Never(digests=True), *tables, group=np.arange(10), confidence=0.95, resamples=20, seed=0)
    assert np.isnan([low, high]).all()


def test_no_mistake_is_no_certainty_where_the_score_is_no_mean_over_rows_either() -> None:
    assert bounds(np.ones(20), np.arange(20), Slow()) == bounds(np.ones(20), np.arange(20))

    class Rank(Slow):
        better = "down"

    assert bounds(np.ones(20), np.arange(20), Rank()) == (1, 1)  # the first place is no share of anything


def test_what_was_measured_lies_in_its_interval_where_resamples_lie_above_it() -> None:
    class Apart(Median):
        """How far the mean is from 0: of a sample farther than of all, where that is near 0."""

        def __call__(self, predictions, targets):
            return abs(float(predictions["value"].mean()))

    value = np.random.default_rng(5).normal(size=400)
    value -= value.mean()
    low, high = interval(
        Apart(digests=False), {"value": value}, {}, group=np.arange(400), confidence=0.95, resamples=200, seed=0
    )
    assert low == pytest.approx(0, abs=1e-12)
    assert 0.05 < high < 0.2


@pytest.mark.parametrize("drawn", [1, 999, 20_000, 2**20])
def test_samples_drawn_in_pieces_are_those_drawn_at_once(monkeypatch, drawn) -> None:
    values, member = np.random.default_rng(4).normal(size=300), np.repeat(np.arange(100), 3)
    options = {"groups": 100, "resamples": 501}
    draws = np.random.default_rng(0).multinomial(100, np.full(100, 1 / 100), size=501)
    sums, sizes = np.bincount(member, values), np.bincount(member)

    monkeypatch.setattr(intervals, "DRAWN", drawn)
    found = means_of(values, member, **options, generator=np.random.default_rng(0))

    np.testing.assert_allclose(found, (draws @ sums) / (draws @ sizes), rtol=1e-12)


def test_many_groups_take_little_memory() -> None:
    tracemalloc.start()
    try:
        means_of(np.ones(50_000), np.arange(50_000), groups=50_000, resamples=200, generator=np.random.default_rng(0))
        assert tracemalloc.get_traced_memory()[1] < 40 * 2**20
    finally:
        tracemalloc.stop()
