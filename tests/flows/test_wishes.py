import pytest

from flows.wishes import Wishes, read_wishes
from mmcore.errors import SetupError


def test_what_is_not_said_is_nothing_special():
    assert read_wishes("a", None) == read_wishes("a", {}) == read_wishes("a", "a text") == Wishes()


def test_keys_of_other_programs_are_left_alone():
    assert read_wishes("a", {"owner": "somebody", "gpu": 1}) == Wishes(gpu=1)


@pytest.mark.parametrize("mutex", ["licence", ["licence"]])
def test_one_mutex_needs_no_list(mutex):
    assert read_wishes("a", {"mutex": mutex}).mutex == ("licence",)


def test_each_try_waits_twice_as_long_as_the_one_before_but_not_for_ever():
    wishes = read_wishes("a", {"retries": 40, "retry_delay_s": 2})
    assert [wishes.delay_s(tries) for tries in (1, 2, 3, 40)] == [2, 4, 8, 600]


@pytest.mark.parametrize(
    "meta", [{"gpu": -1}, {"gpu": True}, {"retries": "2"}, {"timeout_s": 0}, {"mutex": 3}, {"retry_delay_s": "soon"}]
)
def test_a_wrong_value_names_stage_and_key(meta):
    with pytest.raises(SetupError, match=rf"meta\.{next(iter(meta))} of stage train in dvc\.yaml is "):
        read_wishes("train", meta)
