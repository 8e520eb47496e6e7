"""A study that is never told anything twice: which trial is next, what became of each, which died and runs again."""

import json
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState, create_trial

from mmcore.errors import ConfigError
from mmcore.search.dimensions import Plain
from mmcore.search.noted import OptunaDraw, as_noted
from mmcore.search.rows import Row, attribute, has_died, root_of, row_of, was_begun, was_unbuilt
from mmcore.search.samplers import sampler_of
from mmcore.search.space import Drawn, Space
from mmcore.search.storage import Patience, quiet, without_password

TRIES = 2
"""How often the worker of one trial may die under it."""


@dataclass(frozen=True)
class Asked:
    """A trial to run."""

    number: int
    identity: int
    """Of the storage."""
    root: int
    drawn: Drawn


class Study:
    """One Optuna study. Safe to use from several threads; several processes may share one in a database."""

    def __init__(
        self, study: optuna.Study, space: Space, *, sampler: str, seed: int, trials: int, patience: Patience
    ) -> None:
        self.optuna = study
        self.space = space
        self._sampler, self._seed, self._limit = sampler, seed, trials
        self._patience, self._lock = patience, threading.RLock()
        self._grid = space.points() if sampler == "grid" else None

    @property
    def identity(self) -> int:
        """Of the storage, which gives none twice."""
        return self.optuna._study_id

    @property
    def better(self) -> tuple[str, ...]:
        """`up` or `down` for each objective."""
        return tuple("up" if d.name == "MAXIMIZE" else "down" for d in self.optuna.directions)

    def ask(self) -> Asked | None:
        """The next trial, marked as running; None where there are enough, or the grid is through."""
        with self._lock, quiet():
            return self._patience(self._ask)

    def _ask(self) -> Asked | None:
        trials = self._trials()
        waiting = any(trial.state is TrialState.WAITING for trial in trials)
        begun = sorted({root_of(trial) for trial in trials if was_begun(trial)})
        unbuilt = {root_of(trial) for trial in trials if was_unbuilt(trial)}
        if not waiting and len(begun) - len(unbuilt) >= self._limit:
            return None
        fixed: dict[str, Plain] | None = None
        if self._grid is not None and not waiting:
            fixed = self._next_point(trials)
            if fixed is None:
                return None
        seed = zlib.crc32(f"{self._seed} {len(begun)}".encode())
        self.optuna.sampler = sampler_of(self._sampler, seed=seed)
        if fixed is not None:
            self.optuna.enqueue_trial(fixed)
        trial = self.optuna.ask()
        drawn = self.space.draw(OptunaDraw(trial))
        root = int(trial.user_attrs.get("root", trial.number))
        for key, value in (("named", drawn.named), ("changes", drawn.changes), ("root", root)):
            trial.set_user_attr(key, value if isinstance(value, int) else json.dumps(value))
        return Asked(trial.number, trial._trial_id, root, drawn)

    def _next_point(self, trials: Sequence[FrozenTrial]) -> dict[str, Plain] | None:
        assert self._grid is not None, "only a grid has points"
        done = [attribute(trial, "named") for trial in trials]
        for drawn in self._grid:
            if drawn.named not in done:
                return as_noted(drawn, self.space)
        return None

    def begin(self, *, present: bool) -> dict[str, Any]:
        """Have the point that params.yaml is run first. Returns what of it lies outside the space, if it does."""
        with self._lock:
            if not present or self._patience(self._trials):
                return {}
            if (point := self.space.present) is not None:
                raw = as_noted(point, self.space)
                self._patience(lambda: self.optuna.enqueue_trial(raw, user_attrs={"present": True}))
            return self.space.outside()

    def close(self) -> None:
        """Let go of a database's connections."""
        storage = self._storage
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()

    def beat(self, identity: int) -> None:
        """Say that a trial is alive, where the storage wants to know."""
        storage = self._storage
        if isinstance(storage, RDBStorage) and storage.get_heartbeat_interval() is not None:
            storage.record_heartbeat(identity)

    def report(self, identity: int, step: int, value: float) -> bool:
        """Note a value on the way; whether the trial may stop here. Optuna knows neither with several objectives."""
        if len(self.optuna.directions) > 1:
            return False

        def work() -> bool:
            trial = optuna.Trial(self.optuna, identity)
            if step not in self.optuna._storage.get_trial(identity).intermediate_values:
                trial.report(value, step)  # else an answer was lost on the way
            return bool(trial.should_prune())  # the median pruner answers in numpy

        with self._lock, quiet():
            return self._patience(work)

    def complete(self, identity: int, values: Sequence[float], about: Mapping[str, Any]) -> None:
        """The trial has its scores."""
        self._end(identity, TrialState.COMPLETE, values=list(values), **about)

    def prune(self, identity: int, about: Mapping[str, Any]) -> None:
        """The trial was stopped because others were better at this point."""
        self._end(identity, TrialState.PRUNED, **about)

    def unbuilt(self, identity: int, reason: str) -> None:
        """No model can be built of what was drawn: it counts as no trial."""
        self.fail(identity, reason, {"unbuilt": True})

    def fail(self, identity: int, reason: str, about: Mapping[str, Any]) -> None:
        """The trial ended by its own fault, which is noted."""
        self._end(identity, TrialState.FAIL, reason=reason, **about)

    def died(self, identity: int, reason: str, *, blame: bool) -> bool:
        """The process under the trial is gone: have it run again. blame: unless that has happened TRIES times.

        Whether it runs again.
        """
        with self._lock:
            trial = self._patience(lambda: self.optuna._storage.get_trial(identity))
            deaths = int(trial.user_attrs.get("deaths", 0)) + int(blame)
            if blame and deaths >= TRIES:
                self.fail(identity, f"{reason} ({deaths} times)", {})
                return False
            self._patience(lambda: self._set_state(identity, TrialState.FAIL, None))
            self._patience(lambda: self._again(trial, deaths=deaths))
            return True

    def gather(self, *, alone: bool) -> int:
        """Have every trial run again whose process is gone; how many. alone: no other process works on this study."""
        with self._lock, quiet():
            if alone:
                for trial in self._patience(self._trials):
                    if trial.state is TrialState.RUNNING:
                        self._patience(partial(self._set_state, trial._trial_id, TrialState.FAIL, None))
            else:
                self._patience(lambda: fail_stale_trials(self.optuna))
            trials = self._patience(self._trials)
            followed = {trial.user_attrs.get("after") for trial in trials}
            lost = [t for t in trials if has_died(t) and "changes" in t.user_attrs and t.number not in followed]
            for trial in lost:
                self._patience(partial(self._again, trial, deaths=int(trial.user_attrs.get("deaths", 0))))
            return len(lost)

    def rows(self) -> list[Row]:
        """Every trial, the dead ones too."""
        return [row_of(trial) for trial in self._patience(self._trials)]

    def _trials(self) -> list[FrozenTrial]:
        return self.optuna.get_trials(deepcopy=False)

    def _again(self, trial: FrozenTrial, *, deaths: int) -> None:
        """What was drawn and reported is kept: it goes on from its checkpoint, and tells the epochs after it."""
        if any(other.user_attrs.get("after") == trial.number for other in self._trials()):
            return  # noted before an answer was lost on the way
        kept = {**trial.user_attrs, "root": root_of(trial), "after": trial.number, "deaths": deaths}
        self.optuna.add_trial(
            create_trial(
                state=TrialState.WAITING, params=dict(trial.params), distributions=dict(trial.distributions),
                user_attrs=kept, intermediate_values=dict(trial.intermediate_values),
            )
        )  # fmt: skip

    def _end(self, identity: int, state: TrialState, *, values: list[float] | None = None, **about: Any) -> None:
        def work() -> None:
            trial = self.optuna._storage.get_trial(identity)
            if trial.state.is_finished():
                return  # told before an answer was lost on the way, or given up for dead: its next try tells
            for key, value in about.items():
                self.optuna._storage.set_trial_user_attr(
                    identity, key, value if isinstance(value, int | float | str) else json.dumps(value)
                )
            self.optuna.tell(trial.number, values, state=state)

        with self._lock, quiet():
            self._patience(work)

    def _set_state(self, identity: int, state: TrialState, values: list[float] | None) -> None:
        try:
            self.optuna._storage.set_trial_state_values(identity, state, values)
        except UpdateFinishedTrialError:
            return

    @property
    def _storage(self) -> BaseStorage:
        found = self.optuna._storage
        return getattr(found, "_backend", found) if not isinstance(found, RDBStorage) else found


def open_study(
    storage: BaseStorage,
    space: Space,
    *,
    name: str,
    better: Sequence[str],
    about: Mapping[str, Any],
    sampler: str,
    pruner: optuna.pruners.BasePruner,
    seed: int,
    trials: int,
    patience: Patience,
) -> Study:
    """The study of this name, made where there is none.

    about: what decides what its scores mean. Raises ConfigError that says what differs where one is there with another.
    """
    both = optuna.study.StudyDirection
    directions = [both.MAXIMIZE if one == "up" else both.MINIMIZE for one in better]

    def made() -> optuna.Study:
        try:
            study = optuna.create_study(storage=storage, study_name=name, directions=directions, pruner=pruner)
        except DuplicatedStudyError:
            study = optuna.load_study(study_name=name, storage=storage, pruner=pruner)
        if "about" not in study.user_attrs:
            study.set_user_attr("about", json.dumps(about))
        return study

    with quiet():
        study = patience(made)
    found = Study(study, space, sampler=sampler, seed=seed, trials=trials, patience=patience)
    there = json.loads(study.user_attrs["about"])
    if lines := list(differing(there, json.loads(json.dumps(about)))):
        found.close()
        raise ConfigError(
            f"There is a search {name!r} already, with another space or other data:\n"
            + "\n".join(f"  {line}" for line in lines[:12])
            + f"\nGive this one another name (name=...), or put things back as they were. {_forgetting(storage, name)} "
            "forgets the old one."
        )
    return found


def _forgetting(storage: BaseStorage, name: str) -> str:
    """The command after which a study is no more."""
    if isinstance(storage, RDBStorage):
        return f"`optuna delete-study --study-name {name} --storage {without_password(storage.url)}`"
    return f"`rm -r .mm/search/{name}`"


def differing(there: Any, now: Any, key: str = "") -> list[str]:
    """In words, what is not the same."""
    if isinstance(there, Mapping) and isinstance(now, Mapping):
        names = sorted({*there, *now})
        return [
            line
            for name in names
            for line in differing(there.get(name), now.get(name), f"{key}{'.' if key else ''}{name}")
        ]
    return [] if there == now else [f"{key}: was {there!r}, is now {now!r}"]
