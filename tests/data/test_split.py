import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.data.settings import SplitSettings
from mmcore.data.split import Dealer, declared_split, place_of
from mmcore.errors import ConfigError, DataError

NAMES = st.text(max_size=20)


@given(NAMES, st.integers(0, 2**31))
def test_a_place_lies_in_the_unit_interval_and_stays(name, seed):
    assert 0 <= place_of(name, seed) < 1
    assert place_of(name, seed) == place_of(name, seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_shares_are_kept(seed):
    dealer = Dealer(SplitSettings(seed=seed, validation=0.2, test=0.3))
    dealt = [dealer.deal(f"group {n}", None) for n in range(5000)]
    assert dealt.count("validation") == pytest.approx(1000, rel=0.1)
    assert dealt.count("test") == pytest.approx(1500, rel=0.1)


def test_another_seed_gives_another_split():
    one, other = (Dealer(SplitSettings(seed=seed, test=0.5)) for seed in (0, 1))
    assert [one.deal(f"{n}", None) for n in range(50)] != [other.deal(f"{n}", None) for n in range(50)]


@given(NAMES)
def test_what_the_column_says_is_kept_but_for_the_cut(name):
    for declared in ("train", "validation", "test"):
        assert Dealer(SplitSettings(column="split")).deal(name, declared) == declared
    cut = Dealer(SplitSettings(column="split", validation=0.5), cut=True)
    assert cut.deal(name, "test") == "test"
    assert cut.deal(name, "train") in ("train", "validation")


def test_the_share_of_test_has_no_say_where_a_column_is_given():
    Dealer(SplitSettings(column="split", validation=0.5, test=0.5))
    with pytest.raises(ConfigError, match="below 1"):
        Dealer(SplitSettings(validation=0.5, test=0.5))


@pytest.mark.parametrize(("cell", "split"), [("train", "train"), (" Dev ", "validation"), ("TEST", "test")])
def test_usual_spellings_are_understood(cell, split):
    assert declared_split(cell) == split


@pytest.mark.parametrize(
    ("cell", "message"),
    [(None, "data.split.column=null has rows dealt"), ("holdout", "one of train"), (1, "one of train")],
)
def test_other_spellings_are_refused(cell, message):
    with pytest.raises(DataError, match=message):
        declared_split(cell)
