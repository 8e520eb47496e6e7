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
