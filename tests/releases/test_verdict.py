import math
from dataclasses import replace

import pytest

from mmcore.releases.noise import Chance, Noise
from mmcore.releases.settings import VerdictSettings
from mmcore.releases.verdict import Decision, Difference, first, judge

BETTER = Difference(0.8, 0.9, 0.1, low=0.05, high=0.15, deviation=0.02, groups=500)
EQUAL = Difference(0.8, 0.8, 0.0, low=-0.02, high=0.02, deviation=0.01, groups=500)
WORSE = Difference(0.8, 0.7, -0.1, low=-0.15, high=-0.05, deviation=0.02, groups=500)
KNOWN = Noise(0.01, 30.0)


def decide(watched, *, p=1e-9, needed=0.04, by="rows", others=None, slices=None, noise=KNOWN, allowed=1e-4, **settings):
    return judge(
        watched, metric="t/m", others=others or {}, slices=slices or {}, noise=noise, allowed=allowed,
        chance=Chance(p, needed, by), settings=VerdictSettings(**settings),
    )  # fmt: skip


def test_a_sure_gain_promotes():
    found = decide(BETTER)
    assert found.decision is Decision.PROMOTE
    assert "0.9000 against 0.8000" in found.reasons[0]


def test_a_tie_keeps_the_model_in_use():
    found = decide(EQUAL, p=1.0)
    assert found.decision is Decision.HOLD
    assert "a tie keeps the model in use" in found.reasons[0]


def test_a_gain_that_can_be_chance_holds_and_says_what_would_be_enough():
    found = decide(BETTER, p=0.01, needed=0.13)
    assert found.decision is Decision.HOLD
    assert "from 0.1300 on" in found.reasons[0]


def test_where_chance_between_trainings_is_not_known_it_holds_and_says_how_it_would_be():
    found = decide(BETTER, p=1.0, needed=math.inf, noise=Noise(0.0, 0.0))
    assert found.decision is Decision.HOLD
    assert "repeats.seeds: 3" in found.reasons[0]


@pytest.mark.parametrize(
    ("freedom", "by", "few"), [(1, "trainings", True), (2, "trainings", False), (1, "rows", False)]
)
def test_where_two_trainings_are_all_that_is_known_it_says_what_asks_for_less(freedom, by, few):
    found = decide(BETTER, p=0.4, needed=58.8, by=by, noise=Noise(0.02, freedom))
    assert found.decision is Decision.HOLD
    assert "from 58.8000 on it would not." in found.reasons[0]
    assert ("repeats.seeds: 3" in found.reasons[0]) is few


def test_where_nothing_is_left_to_spend_it_says_so_and_names_no_gain():
    found = decide(BETTER, p=1e-9, needed=math.inf, allowed=0.0)
    assert found.decision is Decision.HOLD
    assert "have spent what verdict.false_promotions allows" in found.reasons[0]
    assert "inf" not in found.reasons[0]


def test_a_gain_that_leaves_out_what_the_new_model_does_not_know_holds():
    found = decide(replace(BETTER, unknown=22))
    assert found.decision is Decision.HOLD
    assert "says nothing of 22 rows" in found.reasons[0]


def test_a_sure_loss_rejects():
    found = decide(WORSE, p=1.0)
    assert found.decision is Decision.REJECT
    assert "fell from 0.8000 to 0.7000" in found.reasons[0]


def test_a_loss_that_can_be_chance_holds():
    assert decide(replace(WORSE, high=0.01), p=1.0).decision is Decision.HOLD


@pytest.mark.parametrize(
    ("tolerance", "decision"), [(0.05, Decision.REJECT), (0.2, Decision.PROMOTE), (None, Decision.PROMOTE)]
)
def test_another_score_may_fall_by_its_tolerance(tolerance, decision):
    tolerances = {} if tolerance is None else {"t/other": tolerance}
    found = decide(BETTER, others={"t/other": WORSE}, tolerances=tolerances)
    assert found.decision is decision


def test_a_score_with_a_tolerance_that_could_not_be_compared_holds():
    found = decide(BETTER, tolerances={"t/other": 0.1})
    assert found.decision is Decision.HOLD
    assert "t/other, which verdict.tolerances names, could not be compared" in found.reasons[0]
    assert decide(BETTER, tolerances={"t/m": 0.1}).decision is Decision.PROMOTE


@pytest.mark.parametrize(
    ("tolerance", "decision"), [(0.05, Decision.REJECT), (0.2, Decision.PROMOTE), (None, Decision.PROMOTE)]
)
def test_a_slice_may_fall_by_the_tolerance_of_slices(tolerance, decision):
    found = decide(BETTER, slices={"region=north": WORSE}, slice_tolerance=tolerance)
    assert found.decision is decision
    assert found.decision is not Decision.REJECT or "region=north" in found.reasons[0]


def test_a_slice_of_few_rows_that_fell_by_chance_does_not_reject():
    few = Difference(0.8, 0.5, -0.3, low=-0.7, high=0.1, deviation=0.2, groups=5)
    assert decide(BETTER, slices={"region=north": few}).decision is Decision.PROMOTE


SCORES = {"t/m": 0.8, "t/m/floor/majority": 0.5, "t/m/floor/text": 0.7}


def test_the_first_model_has_to_beat_its_floors():
    assert first(SCORES, "t/m", better="up").decision is Decision.PROMOTE
    found = first({**SCORES, "t/m/floor/text": 0.8}, "t/m", better="up")
    assert found.decision is Decision.HOLD
    assert "text (0.8000)" in found.reasons[0]


def test_of_what_should_be_low_the_floor_is_above():
    assert first(SCORES, "t/m", better="down").decision is Decision.HOLD
    assert first({"t/m": 0.1, "t/m/floor/majority": 0.5}, "t/m", better="down").decision is Decision.PROMOTE


def test_the_first_model_needs_the_score_that_is_watched():
    assert first(SCORES, "t/other", better="up").decision is Decision.HOLD


NAN = float("nan")


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("better", ["up", "down"])
def test_what_is_no_number_is_no_first_model(value, better):
    found = first({**SCORES, "t/m": value}, "t/m", better=better)
    assert found.decision is Decision.HOLD
    assert "no number to judge by" in found.reasons[0]


def test_a_floor_that_is_no_number_is_no_floor():
    found = first({**SCORES, "t/m/floor/text": NAN}, "t/m", better="up")
    assert found.decision is Decision.PROMOTE
    assert "the best of which is 0.5000" in found.reasons[0]
    assert first({"t/m": 0.8, "t/m/floor/text": NAN}, "t/m", better="up").decision is Decision.PROMOTE


def test_what_is_no_number_takes_nobodys_place():
    assert decide(replace(BETTER, gain=math.inf)).decision is Decision.HOLD
    assert decide(replace(BETTER, challenger=NAN, gain=NAN)).decision is Decision.HOLD
    lost = replace(WORSE, gain=NAN, low=NAN, high=NAN)
    assert decide(BETTER, others={"t/other": lost}, tolerances={"t/other": 0.1}).decision is Decision.HOLD
