import pytest

from flows.order import Order

DIAMOND = {"top": (), "left": ("top",), "right": ("top",), "bottom": ("left", "right")}


def test_a_name_starts_when_all_it_needs_is_done():
    order = Order(DIAMOND, jobs=4)
    assert order.take() == ["top"]
    order.finish("top", good=True)
    assert order.take() == ["left", "right"]
    order.finish("right", good=True)
    assert order.take() == []
    order.finish("left", good=True)
    assert order.take() == ["bottom"]
    order.finish("bottom", good=True)
    assert order.over


def test_no_more_run_at_once_than_there_are_jobs():
    order = Order(dict.fromkeys("abc", ()), jobs=2)
    assert order.take() == ["a", "b"]
    assert order.take() == []
    order.finish("a", good=True)
    assert order.take() == ["c"]


def test_a_failure_takes_dependents_of_dependents_with_it_and_nothing_else():
    order = Order({**DIAMOND, "aside": (), "under": ("bottom",)}, jobs=4)
    assert order.take() == ["top", "aside"]
    assert order.finish("top", good=False) == ["left", "right", "bottom", "under"]
    assert not order.over
    assert order.finish("aside", good=True) == []
    assert order.over


def test_cleared_nothing_starts_any_more():
    order = Order(DIAMOND, jobs=4)
    order.take()
    assert order.clear() == ["left", "right", "bottom"]
    assert order.finish("top", good=True) == []
    assert order.over


def test_no_jobs_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Order({}, jobs=0)


def test_what_shares_a_slot_runs_one_after_another_and_others_pass():
    uses = {"a": {"gpu": 1}, "b": {"gpu": 1}}
    order = Order(dict.fromkeys("abc", ()), jobs=3, uses=uses, slots={"gpu": 1})
    assert order.take() == ["a", "c"]
    assert order.take() == []
    order.finish("a", good=False)
    assert order.take() == ["b"]


def test_two_slots_serve_two_and_one_who_wants_both_waits():
    order = Order(
        dict.fromkeys("abc", ()), jobs=3, uses={"a": {"gpu": 1}, "b": {"gpu": 2}, "c": {"gpu": 1}}, slots={"gpu": 2}
    )
    assert order.take() == ["a", "c"]
    order.finish("a", good=True)
    assert order.take() == []
    order.finish("c", good=True)
    assert order.take() == ["b"]
