from datetime import UTC, datetime, timedelta

import pytest

from mmcore.errors import ArtifactError
from mmcore.releases.looks import Look, allowance, earlier, line_of, now_after, of_the_year, read_looks
from mmcore.releases.settings import VerdictSettings

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def look(days_ago=0, **changed):
    when = (NOW - timedelta(days=days_ago)).isoformat()
    values = {"champion": "a", "challenger": "b", "rows": "r", "n": 10, "metric": "t/m", "gain": 0.0, "spent": 0.0001}
    return Look(**{"when": when, "verdict": "HOLD", **values, **changed})


def test_a_ledger_gives_back_what_was_written():
    looks = [look(3), look(2, challenger="c", seeds=3, deviation=0.25, data="d")]
    assert read_looks("".join(map(line_of, looks))) == looks


def test_a_line_that_is_none_is_named():
    with pytest.raises(ArtifactError, match=r"line 2 of looks\.jsonl"):
        read_looks(line_of(look()) + "{half\n")


def test_a_newer_ledger_with_more_to_say_can_be_read():
    line = line_of(look()).replace("{", '{"weather": "fine", ', 1)
    assert read_looks(line) == [look()]


@pytest.mark.parametrize("looks_a_year", [1, 52, 365, 1500])
def test_however_often_is_looked_the_year_never_spends_more_than_its_budget(looks_a_year):
    settings, looks = VerdictSettings(looks=365), []
    for number in range(looks_a_year):
        now = NOW + timedelta(days=number * 365 / looks_a_year)
        spent = allowance(looks, now, settings)
        looks.append(look(spent=spent, when=now.isoformat(), challenger=str(number)))
        assert spent > 0
    assert sum(one.spent for one in looks) <= settings.false_promotions


def test_what_was_spent_more_than_a_year_ago_is_free_again():
    settings = VerdictSettings(looks=1)
    looks = [look(366, spent=0.05)]
    assert of_the_year(looks, NOW) == []
    assert allowance(looks, NOW, settings) == pytest.approx(0.05)
    assert allowance([look(364, spent=0.05)], NOW, settings) == 0


def test_a_clock_that_was_put_back_makes_no_look_older_than_the_last():
    assert now_after([look(0)], NOW - timedelta(days=900)) == NOW
    assert now_after([look(5)], NOW) == NOW


def test_the_same_models_and_rows_asked_the_same_are_one_look():
    asked = look(9, question="q")
    assert earlier([asked], ("a", "b", "r", "q")) == asked
    assert earlier([asked], ("a", "b", "other rows", "q")) is None
    assert earlier([asked], ("a", "b", "r", "other settings")) is None


def test_a_look_of_an_older_version_does_not_stop_a_question_and_counts_all_the_same():
    line = line_of(look(3, spent=0.02))
    (older,) = read_looks(line.replace('"question": "", ', ""))
    assert earlier([older], ("a", "b", "r", "q")) is None
    assert allowance([older], NOW, VerdictSettings(looks=1)) == pytest.approx(0.03)
