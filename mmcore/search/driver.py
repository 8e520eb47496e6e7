"""The loop of a search: asks for the next trial while there is a free place, and ends when it is time to."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mmcore.errors import ConfigError, MmcoreError
from mmcore.search.host import Order, Told
from mmcore.search.plan import Plan
from mmcore.search.rows import State
from mmcore.search.storage import forget_beside
from mmcore.search.study import Asked, Study

Submit = Callable[[Order, Callable[[Told | BaseException], None]], None]
"""Have an order carried out elsewhere; the function is called with what came of it, from any thread."""
POLL_S = 0.5
UNBUILT = 100
"""So many points in a row of which no model can be built are the fault of the space."""
TRIED = (State.UNBUILT, State.FAILED, State.COMPLETE, State.PRUNED)


class Show(Protocol):
    """What a person sees of it."""

    def began(self, asked: Asked) -> None:
        """A trial runs."""
        ...

    def ended(self, asked: Asked, told: Told) -> None:
        """A trial is over."""
        ...

    def tick(self) -> None:
        """Called now and then."""
        ...

    def say(self, line: str) -> None:
        """News."""
        ...


@dataclass(frozen=True)
class Ended:
    """Why a search ended."""

    why: str
    too_many_failed: bool = False
    stopped: bool = False
    denied: bool = False
    """A trial found the disk full, or one that may only be read."""


class Search:
    """One run of a search; a study may see several."""

    def __init__(self, plan: Plan, study: Study, show: Show, *, places: int, shared: bool) -> None:
        """places: how many trials may run at once. shared: other processes may work on the same study."""
        self._plan, self._study, self._show = plan, study, show
        self._places, self._shared = places, shared
        self._running = dict[int, Asked]()
        self._waits, self._denied = False, ""
        self._former = frozenset[int]()
        self._news: queue.SimpleQueue[tuple[int, Told | BaseException]] = queue.SimpleQueue()

    def run(self, submit: Submit, *, stopped: Callable[[], bool] = lambda: False) -> Ended:
        """Until the budget is used up. Raises what a trial's machinery raises; what fails in a trial is noted."""
        again = self._study.gather(alone=not self._shared)
        if again:
            self._show.say(f"{again} trial{'s' * (again > 1)} that ran when the search was ended run again.")
        if outside := self._study.begin(present=self._plan.settings.sampler != "grid"):
            told = ", ".join(f"{key}={value}" for key, value in outside.items())
            self._show.say(f"The present settings lie outside the space ({told}), so they are not a trial.")
        self._former = frozenset(row.number for row in self._study.rows() if row.state in TRIED)
        began = gathered = time.monotonic()
        ended: Ended | None = None
        while True:
            if stopped():
                return Ended("stopped", stopped=True)
            ended = ended or self._over(time.monotonic() - began)
            while ended is None and len(self._running) < self._places:
                asked = self._study.ask()
                if asked is None:
                    break
                self._start(asked, submit)
                ended = self._over(time.monotonic() - began)
            if not self._running and (ended is not None or not self._elsewhere()):
                return ended or Ended("all trials are done")
            self._wait()
            self._show.tick()
            if self._shared and time.monotonic() - gathered > self._plan.settings.heartbeat_s:
                gathered = time.monotonic()
                self._study.gather(alone=False)

    def _elsewhere(self) -> bool:
        """Whether another process runs a trial of this study, or died over one and nobody has noticed yet."""
        count = sum(row.state is State.RUNNING for row in self._study.rows()) if self._shared else 0
        if count and not self._waits:
            self._show.say(f"{count} trial{'s' * (count > 1)} run elsewhere, or died there; waiting for them.")
        self._waits = count > 0
        return self._waits

    def _start(self, asked: Asked, submit: Submit) -> None:
        self._running[asked.number] = asked
        self._show.began(asked)
        try:
            values = self._plan.project.settle(asked.drawn.changes)
        except ConfigError as error:
            self._study.unbuilt(asked.identity, str(error))
            self._news.put((asked.number, Told(asked.number, State.UNBUILT, reason=str(error))))
            return
        except MmcoreError as error:
            self._study.fail(asked.identity, str(error), {})
            self._news.put((asked.number, Told(asked.number, State.FAILED, reason=str(error))))
            return
        folder = self._plan.trial_folder(asked.root, values)
        forget_beside(self._plan.root / folder)
        submit(Order(asked.number, asked.identity, values, folder), lambda told: self._news.put((asked.number, told)))

    def _wait(self) -> None:
        try:
            number, told = self._news.get(timeout=POLL_S)
        except queue.Empty:
            return
        asked = self._running.pop(number)
        if isinstance(told, BaseException):
            raise told
        self._show.ended(asked, told)
        if told.denied:
            self._denied = told.reason

    def _over(self, seconds: float) -> Ended | None:
        settings = self._plan.settings
        if self._denied:
            return Ended(self._denied, denied=True)
        if settings.minutes is not None and seconds > 60 * settings.minutes:
            return Ended(f"the {settings.minutes:g} minutes are over")
        rows = self._study.rows()
        failed = [row for row in rows if row.state is State.FAILED]
        good = [row for row in rows if row.state in (State.COMPLETE, State.PRUNED)]
        if len(failed) >= settings.max_failed and len(failed) > len(good):
            return Ended(f"{len(failed)} of {len(failed) + len(good)} trials failed", too_many_failed=True)
        # Those of a former run do not count: what was at fault may be mended.
        tried = [row.state for row in rows if row.state in TRIED and row.number not in self._former]
        if settings.sampler != "grid" and len(tried) >= UNBUILT and {*tried[-UNBUILT:]} == {State.UNBUILT}:
            return Ended(f"of {UNBUILT} draws in a row no model could be built", too_many_failed=True)
        if settings.target is not None:
            up = self._study.better[0] == "up"
            found = [row.values[0] for row in rows if row.values]
            if any(value >= settings.target if up else value <= settings.target for value in found):
                return Ended(f"the target {settings.target:g} is reached")
        return None
