import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from mmcore.search.display import Display
from mmcore.search.host import Told
from mmcore.search.rows import State
from mmcore.search.space import Drawn
from mmcore.search.study import Asked


def asked(number):
    named = {"training.lr": 0.00123456, "fields.image.encoder.widths": [16, 32], "fusion": "film"}
    return Asked(number, number, number, Drawn(named, {}))


@pytest.mark.parametrize(("count", "said"), [(1, "1 trial is done."), (2, "2 trials are done.")])
def test_what_was_done_before_is_counted(count, said):
    console = Console(file=io.StringIO(), width=120)
    rows = [SimpleNamespace(number=number, state=State.COMPLETE, values=(0.5,)) for number in range(count)]
    Display(trials=3, console=console).follow(SimpleNamespace(better=["up"], rows=lambda: rows))
    assert f"Going on: {said}" in console.file.getvalue()


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def shown(request):
    console = Console(file=io.StringIO(), force_terminal=request.param, width=120, color_system=None)
    with Display(trials=3, console=console) as display:
        for number in range(3):
            display.began(asked(number))
        display.step(2, 4, 0.625)
        display.ended(asked(0), Told(0, State.COMPLETE, 0.5))
        display.ended(asked(1), Told(1, State.FAILED, reason="out of memory: [all] of it\nand more"))
        display.tick()
        put_back = Told(2, State.DIED, reason="no space left", denied=True)
        if not request.param:
            display.ended(asked(2), put_back)
    return console.file.getvalue()


def test_what_becomes_of_each_trial_is_seen(shown):
    assert "0.5" in shown
    assert "out of memory: [all] of it" in shown
    assert "and more" not in shown
    assert "lr=0.00123" in shown
    assert "widths=[16,32]" in shown


@pytest.mark.parametrize("terminal", [True, False])
def test_a_point_of_which_no_model_can_be_built_is_shown_and_not_counted(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    with Display(trials=3, console=console) as display:
        for number, told in enumerate([Told(0, State.UNBUILT, reason="too narrow"), Told(1, State.COMPLETE, 0.5)]):
            display.began(asked(number))
            display.ended(asked(number), told)
    shown = console.file.getvalue()
    assert "too narrow" in shown
    assert ("1 of 3 trials, best so far: 0.5 (trial 1)" if terminal else "1/3  trial 1  0.5") in shown
    assert "2 of 3" not in shown
    assert "2/3" not in shown


def test_a_terminal_shows_what_runs_and_the_best_so_far(shown, request):
    if "terminal" in request.node.callspec.id:
        assert "running, step 4" in shown
        assert "2 of 3 trials, best so far: 0.5 (trial 0)" in shown
    else:
        assert "1/3  trial 0  0.5" in shown
        assert "2/3  trial 2  put back" in shown
        assert "(best so far)" in shown
