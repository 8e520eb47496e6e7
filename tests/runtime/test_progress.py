import io

from rich.console import Console

from mmcore.runtime.progress import track


def tracked(*, terminal, every_s, total=5):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120)
    items = list(track(iter(range(5)), total, what="encode image", every_s=every_s, console=console))
    return items, text.getvalue()


def test_without_a_terminal_a_line_says_how_far_it_is():
    items, text = tracked(terminal=False, every_s=0.0)
    assert items == [0, 1, 2, 3, 4]
    assert "encode image: 2 of 5 (40%)" in text
    assert text.splitlines()[-1].startswith("encode image: 5 in")


def test_an_unknown_total_is_no_hindrance():
    items, text = tracked(terminal=False, every_s=0.0, total=None)
    assert len(items) == 5
    assert "encode image: 3\n" in text


def test_work_that_is_done_soon_says_nothing():
    assert tracked(terminal=False, every_s=60.0)[1] == ""


def test_in_a_terminal_there_is_a_bar():
    items, text = tracked(terminal=True, every_s=0.0)
    assert len(items) == 5
    assert "encode image" in text
    assert "5/5" in text
