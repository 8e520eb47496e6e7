import math

import numpy as np
import pytest

from mmcore.releases.looks import Look
from mmcore.releases.noise import Noise, chance_of, noise_of

ALLOWED = 1e-4


def looks(gains, champion="a", **more):
    values = {"rows": "r", "n": 10, "metric": "t/m", "spent": 0.0, "verdict": "HOLD", **more}
    return [Look(str(n), champion, f"{champion}-{n}", gain=gain, **values) for n, gain in enumerate(gains)]


def test_one_night_tells_nothing_of_the_chance_between_trainings():
    assert noise_of(looks([0.1]), "t/m").freedom == 0
    assert noise_of([], "t/m").freedom == 0


def test_seeds_of_one_night_tell_it():
    found = noise_of(looks([0.1], seeds=3, deviation=0.02), "t/m")
    assert found == Noise(pytest.approx(0.02), 2)


def test_nights_under_one_champion_tell_it():
    draw = np.random.default_rng(0)
    found = noise_of(looks(draw.normal(0.5, 0.01, 200).tolist()), "t/m")
    assert found.deviation == pytest.approx(0.01, rel=0.15)
    assert found.freedom == pytest.approx(0.6 * 29 * 6)


def test_in_the_first_months_it_counts_less():
    draw = np.random.default_rng(0)
    found = noise_of(looks(draw.normal(0.5, 0.01, 20).tolist()), "t/m")
    assert found.freedom == pytest.approx(2 / 3 * 19)


def test_one_real_step_forward_is_no_chance():
    draw = np.random.default_rng(0)
    gains = draw.normal(0, 0.01, 200) + np.where(np.arange(200) > 100, 9, 0)
    assert noise_of(looks(gains.tolist()), "t/m").deviation < 0.013


def test_what_lies_between_two_champions_is_no_chance():
    draw = np.random.default_rng(0)
    parts = looks(draw.normal(0, 0.01, 50).tolist()) + looks(draw.normal(9, 0.01, 50).tolist(), champion="b")
    assert noise_of(parts, "t/m").deviation < 0.02


def test_nights_that_resemble_each_other_do_not_make_it_small():
    slow = np.sin(np.arange(80) / 10).tolist()
    assert noise_of(looks(slow), "t/m").deviation == pytest.approx(math.sqrt(0.5), rel=0.2)


def test_another_metric_tells_nothing():
    assert noise_of(looks([0.1, 0.2, 0.3], metric="t/other"), "t/m").freedom == 0


def test_where_seeds_are_many_nights_no_longer_count():
    nights = looks([0.0] * 6 + [5.0], seeds=3, deviation=0.02)
    assert noise_of(nights, "t/m") == Noise(pytest.approx(0.02), 14)


def chance(gain, *, rows=0.01, trainings=0.01, freedom=50.0, groups=1000):
    return chance_of(gain, rows=rows, groups=groups, noise=Noise(trainings, freedom), allowed=ALLOWED)


def test_the_larger_of_both_decides():
    assert chance(0.05).by == "trainings"  # sqrt(2) of 0.01, against 0.01
    assert chance(0.05, trainings=0.001).by == "rows"
    assert chance(0.05).p > chance(0.05, trainings=0.001).p


def test_what_is_needed_is_where_the_chance_is_what_is_allowed():
    needed = chance(0.0).needed
    assert chance(needed).p == pytest.approx(ALLOWED)


def test_few_trainings_ask_for_more():
    assert chance(0.0, freedom=3).needed > 3 * chance(0.0, freedom=300).needed


def test_noise_that_is_not_known_lets_nothing_pass():
    found = chance(9.0, trainings=0.0, freedom=0.0)
    assert (found.p, found.needed) == (1.0, math.inf)


@pytest.mark.parametrize("gain", [0.0, -0.1])
def test_no_gain_is_never_sure(gain):
    assert chance(gain).p == 1.0


@pytest.mark.parametrize(("rows", "between"), [(math.nan, 0.01), (0.01, math.nan), (math.inf, 0.01)])
def test_a_deviation_that_is_no_number_makes_no_gain_sure(rows, between):
    found = chance_of(1.0, rows=rows, groups=500, noise=Noise(between, 30.0), allowed=ALLOWED)
    assert found.p == 1
    assert found.needed == math.inf
