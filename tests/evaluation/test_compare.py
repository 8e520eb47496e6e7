"""The paired bootstrap: what two models differ by, on rows that one stays with its group."""

import numpy as np
import pytest

from mmcore.evaluation.compare import Bootstrap, compare
from mmcore.evaluation.predict import Judged
from mmcore.interfaces.metric import Metric

OPTIONS = Bootstrap(0.95, 1000, 0)


class Right(Metric):
    better = "up"

    def __call__(self, predictions, targets):
        return float(self.rows(predictions, targets).mean())

    def rows(self, predictions, targets):
        return (predictions["said"] == targets["true"]).astype(float)


class Middle(Metric):
    """No mean over rows."""

    better = "down"

    def __call__(self, predictions, targets):
        return float(np.median(np.abs(predictions["said"] - targets["true"])))


def judged(said, true, group=None, present=None):
    said, true = np.asarray(said, dtype=float), np.asarray(true, dtype=float)
    row = np.arange(len(said))
    there = np.ones(len(said), dtype=bool) if present is None else np.asarray(present)
    return Judged({"said": said}, {"true": true}, there, row, row if group is None else np.asarray(group))


def run(first, second, metric=None, keep=None):
    metric = metric or Right()
    everything = np.ones(len(first.row), dtype=bool)
    return compare(first, second, (metric, metric), keep=everything if keep is None else keep, bootstrap=OPTIONS)


@pytest.fixture
def pair():
    draw = np.random.default_rng(0)
    true = draw.integers(0, 2, 400)
    wrong = [draw.random(400) < share for share in (0.3, 0.2)]
    return [judged(np.where(one, 1 - true, true), true) for one in wrong]


def test_the_deviation_is_that_of_the_paired_difference(pair):
    found = run(*pair)
    metric = Right()
    gains = metric.rows(pair[1].predictions, pair[1].truth) - metric.rows(pair[0].predictions, pair[0].truth)
    assert found.gain == pytest.approx(gains.mean())
    assert found.deviation == pytest.approx(gains.std() / len(gains) ** 0.5, rel=0.1)
    assert found.low < found.gain < found.high


def test_rows_of_one_group_are_no_independent_observations(pair):
    alone = run(*pair)
    thrice = [
        judged(np.repeat(one.predictions["said"], 3), np.repeat(one.truth["true"], 3), group=np.repeat(one.row, 3))
        for one in pair
    ]
    found = run(*thrice)
    assert found.groups == alone.groups == 400
    assert found.deviation == pytest.approx(alone.deviation, rel=0.1)


def test_a_score_that_is_better_when_low_gains_when_it_falls():
    draw = np.random.default_rng(0)
    true = draw.normal(size=200)
    first, second = (judged(true + draw.normal(0, width, 200), true) for width in (1.0, 0.1))
    found = run(first, second, Middle())
    assert found.first > found.second
    assert found.gain == pytest.approx(found.first - found.second)
    assert found.low > 0


def test_where_all_groups_agree_it_is_still_not_certain():
    true = np.zeros(100)
    found = run(judged(true + 1, true), judged(true, true))
    assert (found.gain, found.low) == (1.0, 1.0)
    assert found.deviation == pytest.approx(0.1)


def test_a_row_whose_target_one_of_them_cannot_tell_is_wrong_for_it(pair):
    known = np.arange(400) >= 40
    first = judged(pair[0].predictions["said"], pair[0].truth["true"], present=known)
    found, before = run(first, pair[1]), run(*pair)
    assert found.groups == 400
    right = Right().rows(pair[0].predictions, pair[0].truth)
    assert found.first == pytest.approx(right[known].sum() / 400)
    assert found.second == before.second


def test_for_other_scores_such_a_row_is_left_out(pair):
    known = np.arange(400) >= 40
    first = judged(pair[0].predictions["said"], pair[0].truth["true"], present=known)
    found, back = run(first, pair[1], Middle()), run(pair[1], first, Middle())
    assert (found.groups, found.unknown) == (360, 0)
    assert (back.groups, back.unknown) == (360, 40)


@pytest.mark.parametrize("metric", [Right(), Middle()])
def test_fewer_than_two_groups_tell_nothing(pair, metric):
    keep = np.arange(400) == 7
    assert run(*pair, metric, keep) is None
    assert run(*pair, metric, np.zeros(400, dtype=bool)) is None


def test_the_same_models_tie_exactly(pair):
    found = run(pair[0], pair[0])
    assert (found.gain, found.low, found.high, found.deviation) == (0, 0, 0, 0)


class Once(Right):
    """Asks each group once, and finds the more easily the fewer rows there are to choose from."""

    def __call__(self, predictions, targets):
        return float(np.nanmean(self.rows(predictions, targets)))

    def rows(self, predictions, targets):
        _, places = np.unique(targets["asked"], return_index=True)
        found = np.full(len(targets["asked"]), np.nan)
        found[places] = predictions["rank"][places] <= 400 / len(set(targets["asked"]))
        return found


def test_rows_that_ask_what_another_asked_do_not_count():
    asked, draw = np.repeat(np.arange(400), 5), np.random.default_rng(0)
    sides = [
        Judged({"rank": np.repeat(draw.integers(1, most, 400), 5)}, {"asked": asked}, asked >= 0, asked, asked)
        for most in (4, 3)
    ]
    each = [one.predictions["rank"][::5] == 1 for one in sides]

    found = run(*sides, Once())

    gains = each[1].astype(float) - each[0]
    assert (found.first, found.second) == (each[0].mean(), each[1].mean())
    assert found.groups == 400
    assert found.deviation == pytest.approx(gains.std() / 20, rel=0.1)
    assert found.gain == pytest.approx(gains.mean())
    assert found.low < found.gain < found.high


def test_the_gain_lies_in_its_interval_where_resamples_lie_beside_it():
    class Different(Middle):
        """How many different rows there are: fewer in every resample."""

        def __call__(self, predictions, targets):
            return float(len(set(predictions["said"])))

    found = run(judged(np.zeros(50), np.zeros(50)), judged(np.arange(50), np.zeros(50)), Different())
    assert found.low == found.gain == -49 < found.high


class Off(Middle):
    """How far off the rows are, told row by row or only as a whole."""

    def __init__(self, *, by_row):
        self.by_row = by_row

    def __call__(self, predictions, targets):
        return float(np.abs(predictions["said"] - targets["true"]).mean())

    def rows(self, predictions, targets):
        return np.abs(predictions["said"] - targets["true"]) if self.by_row else None


@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize("lost", [np.inf, np.nan])
def test_a_score_that_is_no_number_cannot_be_compared(by_row, lost):
    true = np.zeros(50)
    assert run(judged(true, true), judged(true + lost, true), Off(by_row=by_row)) is None
