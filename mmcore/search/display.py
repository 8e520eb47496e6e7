"""What a person sees of a search: a table that lives in a terminal, a line for each trial elsewhere."""

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mmcore.search.host import Told
from mmcore.search.rows import State
from mmcore.search.study import Asked, Study

SHOWN = 8
"""Trials in the table that have ended: the last ones."""
REFRESH_S = 0.5


class Display:
    """A context that is told of trials. Safe to use from several threads."""

    def __init__(self, *, trials: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._trials = trials
        self._running = dict[int, tuple[Asked, float]]()
        self._steps = dict[int, tuple[int, float]]()
        self._ended = list[tuple[Asked, Told, float]]()
        self._best: tuple[int, float] | None = None
        self._count, self._up = 0, True
        self._lock = threading.Lock()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def follow(self, study: Study) -> None:
        """Begin with what the study holds already."""
        self._up = study.better[0] == "up"
        for row in study.rows():
            if row.state in (State.COMPLETE, State.PRUNED, State.FAILED):
                self._count += 1
                if row.values:
                    self._better(row.number, row.values[0])
        if self._count:
            self.say(f"Going on: {self._count} trial{' is' if self._count == 1 else 's are'} done.")

    def say(self, line: str) -> None:
        """News, above the table."""
        self._console.print(Text(line), highlight=False, soft_wrap=True)

    def began(self, asked: Asked) -> None:
        with self._lock:
            self._running[asked.number] = (asked, time.monotonic())

    def step(self, number: int, step: int, value: float) -> None:
        """A running trial reports."""
        with self._lock:
            self._steps[number] = (step, value)

    def ended(self, asked: Asked, told: Told) -> None:
        with self._lock:
            _, began = self._running.pop(asked.number, (asked, time.monotonic()))
            seconds = time.monotonic() - began
            self._ended.append((asked, told, seconds))
            if told.state not in (State.DIED, State.UNBUILT):
                self._count += 1
            best = told.value is not None and self._better(told.number, told.value)
            counted = self._count
        if not self._console.is_terminal:
            mark = "  (best so far)" if best else ""
            self.say(f"{counted}/{self._trials}  trial {told.number}  {_outcome(told)}  {seconds:.0f} s{mark}  "
                     f"{_point(asked.drawn.named)}")  # fmt: skip
        elif told.state is State.FAILED:
            self.say(f"Trial {told.number} failed: {told.reason.splitlines()[0]}")
        self.tick()

    def tick(self) -> None:
        """Draw the table anew."""
        if self._console.is_terminal:
            with self._lock:
                self._live.update(self._table(), refresh=True)

    def _better(self, number: int, value: float) -> bool:
        if self._best is None or (value > self._best[1] if self._up else value < self._best[1]):
            self._best = (number, value)
            return True
        return False

    def _table(self) -> Group:
        table = Table("trial", "", "score", "s", "settings", box=None, pad_edge=False)
        for asked, told, seconds in self._ended[-SHOWN:]:
            style = "bold green" if self._best and told.number == self._best[0] else "dim"
            score = "" if told.value is None else f"{told.value:.5g}"
            failed = told.state in (State.FAILED, State.UNBUILT)
            point = escape(told.reason.splitlines()[0] if failed else _point(asked.drawn.named))
            table.add_row(str(told.number), str(told.state), score, f"{seconds:.0f}", point, style=style)
        for number, (asked, began) in sorted(self._running.items()):
            step, value = self._steps.get(number, (0, float("nan")))
            state = f"running, step {step}" if step else "running"
            shown = f"{value:.5g}" if value == value else ""
            point = escape(_point(asked.drawn.named))
            table.add_row(str(number), state, shown, f"{time.monotonic() - began:.0f}", point)
        best = "none yet" if self._best is None else f"{self._best[1]:.5g} (trial {self._best[0]})"
        return Group(table, Text(f"{self._count} of {self._trials} trials, best so far: {best}"))


def _outcome(told: Told) -> str:
    if told.value is not None:
        return f"{told.value:.5g}"
    if told.denied:
        return "put back"  # the reason is what the search ends with
    if told.state is State.UNBUILT:
        return f"no trial, another is drawn: {told.reason.splitlines()[0]}"
    return f"{told.state}: {told.reason.splitlines()[0]}" if told.reason else str(told.state)


def _point(named: Mapping[str, Any]) -> str:
    """The last words of the names alone: a line is short."""
    return "  ".join(f"{_short(name)}={_value(value)}" for name, value in named.items())


def _short(name: str) -> str:
    steps = name.split(".")
    return ".".join(steps[-2:]) if len(steps) > 1 and steps[-1] in ("encoder", "name") else steps[-1]


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace(" ", "")
