"""The page about a verdict."""

import pytest

from mmcore.releases.record import empty
from mmcore.report.verdict import fine, render_verdict, signed, strip

SCORE = {"champion": 0.8, "challenger": 0.9, "gain": 0.1, "low": 0.05, "high": 0.15, "deviation": 0.02, "groups": 9}
CHANCE = {
    "p": 0.001, "allowed": 0.0001, "needed": 0.2, "by": "rows", "look": 3, "looks_at_split": 2,
    "spent_this_year": 0.0004, "deviation": 0.01, "freedom": 20.0, "new": True,
}  # fmt: skip


def record(**changed):
    made = empty(
        "2026-01-01T02:00:00+00:00", champion={"version": "v1.0.0", "digest": "abc"}, digest="d", data="", metric="t/m"
    )
    rows = {"split": "test", "n": 1200, "digest": "r", "left_out": {"trained on by the model in use": 1}}
    return made | {"scores": {"t/m": SCORE}, "chance": CHANCE, "rows": rows, "reasons": ["Why <not>."]} | changed


@pytest.mark.parametrize("verdict", ["PROMOTE", "HOLD", "REJECT"])
def test_the_verdict_and_its_reasons_stand_on_the_page(verdict):
    page = render_verdict(record(verdict=verdict), title="A title")
    assert f'<p class="word">{verdict}</p>' in page
    assert "Why &lt;not&gt;." in page
    assert "1,200" in page
    assert "1 row does not count: trained on by the model in use." in page


def test_models_that_were_not_compared_have_a_page_too():
    page = render_verdict(record(scores={}, chance=None, rows=None), title="A title")
    assert "<svg" not in page
    assert "HOLD" in page


def test_where_the_noise_is_not_known_there_is_no_mark_for_what_is_enough():
    page = render_verdict(record(chance={**CHANCE, "needed": None, "freedom": 0.0}), title="A title")
    assert "enough</text>" not in page
    assert "not known" in page


def test_what_is_enough_lies_on_the_line_only_where_it_is_near():
    assert strip(SCORE, 0.2)["needed"] > strip(SCORE, 0.2)["high"]
    assert "needed" not in strip(SCORE, 100.0)
    assert "needed" not in strip(SCORE, None)
    assert all(0 <= place <= 100 for place in strip({**SCORE, "gain": 0, "low": 0, "high": 0}, None).values())


def test_numbers_are_told_with_the_digits_that_matter():
    assert (fine(0.81234), fine(12345.678), fine(float("nan"))) == ("0.8123", "12345.7", "not defined")
    assert (signed(0.1), signed(-0.1), signed(0.0)) == ("+0.1000", "−0.1000", "±0.0000")
