import math

import pytest

from mmcore.report.numbers import duration, gap, number, spread
from mmcore.report.scores import Value, scores_of
from tests.report.findings import score

METRICS = {
    "split": "test",
    "n": 100,
    "answer/accuracy": 0.9,
    "answer/accuracy/low": 0.85,
    "answer/accuracy/high": 0.95,
    "answer/accuracy/floor/majority": 0.4,
    "answer/accuracy/floor/low": 0.5,
    "answer/accuracy/without/图像": 0.6,
    "answer/cross_entropy": 0.3,
    "price/mae": 12.5,
    "rows/train": 800,
    "quarantined": 0,
    "shares": ["answer/accuracy"],
}
JUDGED = {"answer": {"accuracy": "up", "cross_entropy": "down"}, "price": {"mae": "down"}}


def test_flat_metrics_come_back_as_scores_in_the_order_of_the_tasks():
    scores = scores_of(METRICS, JUDGED)

    assert [(one.task, one.metric) for one in scores] == [
        ("answer", "accuracy"),
        ("answer", "cross_entropy"),
        ("price", "mae"),
    ]
    assert scores[0].value == Value(0.9, 0.85, 0.95)
    assert scores[0].without == {"图像": Value(0.6)}


def test_a_field_called_low_is_a_floor_and_no_bound():
    assert scores_of(METRICS, JUDGED)[0].floors == {"majority": Value(0.4), "low": Value(0.5)}


def test_floors_may_have_intervals():
    more = {"answer/accuracy/floor/majority/low": 0.35, "answer/accuracy/floor/majority/high": 0.45}

    assert scores_of({**METRICS, **more}, JUDGED)[0].floors["majority"] == Value(0.4, 0.35, 0.45)


def test_a_metric_that_was_not_computed_is_left_out():
    assert scores_of({"split": "test", "n": 3}, JUDGED) == []


@pytest.mark.parametrize(
    ("value", "beats"),
    [
        (Value(0.9, 0.8, 0.95), True),
        (Value(0.7, 0.6, 0.8), None),
        (Value(0.9), None),
        (Value(0.6, 0.5, 0.7), False),
        (Value(math.nan), None),
    ],
)
def test_a_floor_is_beaten_when_the_whole_interval_lies_beyond_it(value, beats):
    assert score(value=value).beats_floors is beats


def test_less_is_more_where_a_metric_says_so():
    floors = {"majority": Value(2.0), "question": Value(1.0)}

    lower = score(better="down", value=Value(0.5, 0.4, 0.6), floors=floors)

    assert lower.best_floor == ("question", Value(1.0))
    assert lower.beats_floors is True
    assert score(better="down", value=Value(1.5, 1.4, 1.6), floors=floors).beats_floors is False


def test_a_floor_that_is_not_defined_is_no_floor():
    assert score(floors={"majority": Value(math.nan)}).best_floor is None


def test_a_share_is_what_the_metric_says_and_no_guess_from_its_numbers():
    found = {one.metric: one for one in scores_of({**METRICS, "price/r2": 0.3}, {**JUDGED, "price": {"r2": "up"}})}

    assert found["accuracy"].share
    assert not found["r2"].share
    assert gap(found["r2"], Value(0.1)) == "0.2"
    assert scores_of({**METRICS, "shares": ["answer/cross_entropy"]}, JUDGED)[1].share


@pytest.mark.parametrize(
    ("value", "percent", "text"),
    [
        (0.984, True, "98.4 %"),
        (0.9997, True, "99.97 %"),
        (0.99999, True, "99.99 %"),
        (1.0, True, "100.0 %"),
        (0.0612, False, "0.0612"),
        (312345, False, "312,345"),
        (12345.6, False, "12,346"),
        (math.nan, True, "not defined"),
        (999.4, False, "999"),
        (999.9, False, "1,000"),
        (-999.5, False, "-1,000"),
    ],
)
def test_numbers_read_as_people_write_them(value, percent, text):
    assert number(value, percent=percent) == text


def test_an_interval_that_is_not_there_is_no_text():
    assert spread(Value(0.9)) == ""
    assert spread(Value(0.9, 0.85, 0.95), percent=True) == "85.0 to 95.0 %"


def test_a_gap_between_shares_is_told_in_points():
    assert gap(score(), Value(0.67)) == "31.4 points"
    assert gap(score(share=False, value=Value(0.5)), Value(0.75)) == "0.25"


@pytest.mark.parametrize(("seconds", "text"), [(3.21, "3.2 s"), (171.2, "2 min 51 s"), (7500, "2 h 5 min")])
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text
