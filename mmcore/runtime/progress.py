"""How far a long work has come: a bar in a terminal, a line an interval elsewhere."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")

REDRAW_S = 0.1


def track(
    items: Iterable[T], total: int | None = None, *, what: str, every_s: float = 10.0, console: Console | None = None
) -> Iterator[T]:
    """The items, while the user sees on standard error how far they have come.

    total: how many there will be, where that is known. what: names the work. every_s: seconds between lines where
    there is no terminal; work that is done sooner prints nothing.
    """
    console = console or Console(stderr=True)
    yield from (
        _bar(items, total, what, console) if console.is_terminal else _lines(items, total, what, every_s, console)
    )


def _bar(items: Iterable[T], total: int | None, what: str, console: Console) -> Iterator[T]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(what, total=total)
        drawn = time.monotonic()
        count = 0
        for item in items:
            yield item
            count += 1
            if time.monotonic() - drawn > REDRAW_S:
                progress.update(task, completed=count)
                drawn = time.monotonic()
        progress.update(task, completed=count, total=count)


def _lines(items: Iterable[T], total: int | None, what: str, every_s: float, console: Console) -> Iterator[T]:
    start = said = time.monotonic()
    count = 0
    for item in items:
        yield item
        count += 1
        now = time.monotonic()
        if now - said >= every_s:
            of = f" of {total} ({count / total:.0%})" if total else ""
            left = f", {(now - start) / count * (total - count):.0f} s left" if total else ""
            console.print(f"{what}: {count}{of}{left}", highlight=False)
            said = now
    if said > start:
        console.print(f"{what}: {count} in {time.monotonic() - start:.0f} s", highlight=False)
