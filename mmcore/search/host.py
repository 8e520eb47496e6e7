"""Where trials are carried out: a pool of workers, and the study that is told what came of each."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mmcore.errors import SetupError
from mmcore.search.rows import State
from mmcore.search.study import Study
from mmcore.search.workers import Answer, Pool, WorkerDied

Step = Callable[[int, int, float], None]
"""(trial's number, step, value): told of what a trial reports."""


@dataclass(frozen=True)
class Order:
    """A trial to carry out; can be sent to another machine."""

    number: int
    identity: int
    values: Mapping[str, Any]
    folder: str


@dataclass(frozen=True)
class Told:
    """What became of a trial."""

    number: int
    state: State
    value: float | None = None
    reason: str = ""
    denied: bool = False
    """The disk is full or may only be read; it is put back, and no other would do better."""


class Host:
    """Carries out trials and judgements, each on one worker. Safe to use from several threads."""

    def __init__(
        self, pool: Pool, study: Study, *, beat_s: float | None, step: Step = lambda number, step, value: None
    ) -> None:
        """beat_s: how often the study is told that a trial is alive; None: never, for a file of one machine."""
        self.pool, self.study = pool, study
        self.ending = False
        """Set before the pool is closed: a trial whose worker is then gone is not to blame."""
        self._beat_s, self._step = beat_s, step

    def trial(self, order: Order) -> Told:
        """Have a trial run, and note what came of it."""

        def report(step: int, value: float) -> bool:
            self._step(order.number, step, value)
            return self.study.report(order.identity, step, value)

        with self._beating(order.identity):
            try:
                with self.pool.worker() as worker:
                    answer = worker.order({"do": "trial", "values": order.values, "folder": order.folder}, report)
                    if answer.broken:
                        self.pool.replace(worker)
            except WorkerDied as error:
                again = self.study.died(order.identity, str(error), blame=not self.ending)
                return Told(order.number, State.DIED if again else State.FAILED, reason=str(error))
            return self._note(order, answer)

    def close(self) -> None:
        """End the workers; what runs is put back, to go on from its checkpoint."""
        self.ending = True
        self.pool.close()

    def forget(self) -> None:
        """Let go of the study, once nobody has anything to tell it any more."""
        self.study.close()

    @property
    def monitor(self) -> str:
        """Which way training.monitor is better."""
        return str(self.pool.opening["monitor"])

    def compare(self, winner: list[float], default: list[float], *, confidence: float) -> tuple[float, float] | None:
        """The interval of the difference of two means; None where one run of each is all there is."""
        order = {"do": "compare", "winner": winner, "default": default, "confidence": confidence}
        with self.pool.worker() as worker:
            answer = worker.order(order)
        assert answer.done is not None, f"it only calculates: {answer.failed}"
        return None if answer.done["interval"] is None else (answer.done["interval"][1], answer.done["interval"][2])

    def judge(self, values: Mapping[str, Any], seed: int, folder: str) -> dict[str, Any]:
        """Train with a seed and judge as `dvc repro` does.

        Raises SetupError where the disk is full or may only be read, RuntimeError with what else went wrong.
        """
        order = {"do": "judge", "values": values, "seed": seed, "folder": folder}
        for turn in range(2):
            try:
                with self.pool.worker() as worker:
                    answer = worker.order(order)
                    if answer.broken:
                        self.pool.replace(worker)
            except WorkerDied as error:
                if turn or self.ending:
                    raise RuntimeError(str(error)) from error
                continue
            if answer.denied:
                raise SetupError(str(answer.failed))
            if answer.done is None:
                raise RuntimeError(answer.failed)
            return dict(answer.done)
        raise AssertionError("two turns end in a result or an error")

    def _note(self, order: Order, answer: Answer) -> Told:
        if answer.done is not None:
            values = [float(value) for value in answer.done["values"]]
            if any(value != value for value in values):
                reason = "a score is not a number: there are no rows that it is defined on, or the training went wrong"
                self.study.fail(order.identity, reason, {})
                return Told(order.number, State.FAILED, reason=reason)
            about = {"scores": answer.done["scores"], "seconds": answer.done["scores"]["train_s"]}
            self.study.complete(order.identity, values, about)
            return Told(order.number, State.COMPLETE, values[0])
        if answer.pruned:
            self.study.prune(order.identity, {})
            return Told(order.number, State.PRUNED)
        reason = answer.failed or "no reason was given"
        if answer.denied:
            self.study.died(order.identity, reason, blame=False)
            return Told(order.number, State.DIED, reason=reason, denied=True)
        if answer.unbuilt:
            self.study.unbuilt(order.identity, reason)
            return Told(order.number, State.UNBUILT, reason=reason)
        self.study.fail(order.identity, reason, {})
        return Told(order.number, State.FAILED, reason=reason)

    @contextmanager
    def _beating(self, identity: int) -> Iterator[None]:
        if self._beat_s is None:
            yield
            return
        done = threading.Event()

        def beat() -> None:
            while True:
                with suppress(Exception):  # the database is away: whoever has something to tell it waits for it
                    self.study.beat(identity)
                if done.wait(self._beat_s):
                    return

        thread = threading.Thread(target=beat, name=f"heartbeat-{identity}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
