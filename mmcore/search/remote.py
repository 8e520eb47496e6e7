"""Trials on another machine: what a process of a cluster does with an order that reaches it."""

import atexit
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from mmcore.search import samplers
from mmcore.search.host import Host, Order, Told
from mmcore.search.plan import Plan
from mmcore.search.session import Judging
from mmcore.search.settings import SearchSettings
from mmcore.search.slots import Slot
from mmcore.search.space import Space
from mmcore.search.storage import Patience, open_database
from mmcore.search.study import Study
from mmcore.search.workers import Pool


@dataclass(frozen=True)
class Spec:
    """All that has to be known of a search elsewhere. The project's folder has to be there, under the same path."""

    name: str
    study: int
    """Of the storage: a study that was deleted and begun anew has the name of the former."""
    folder: str
    opening: Mapping[str, Any]
    settings: SearchSettings
    objectives: int
    steps: int

    @classmethod
    def of(cls, plan: Plan, host: Host) -> "Spec":
        study, objectives = host.study.identity, len(plan.objectives)
        return cls(plan.name, study, plan.folder, host.pool.opening, plan.settings, objectives, plan.steps)


_hosts = dict[tuple[str, str], tuple[Spec, Host]]()
"""Of this process, by a project's folder and a study's name: workers outlive the trial that they were started for."""

_opening = threading.Lock()


_here = dict[str, Callable[[], Any]]()


def run_here(name: str) -> Any:
    """What was put at hand under this name, in this process alone.

    Prefect sends the function of a flow along with each of its tasks. So that has to be one which other machines find
    by its name, and which holds on to nothing that cannot be sent: locks, workers, a terminal.
    """
    return _here[name]()


@contextmanager
def at_hand(name: str, work: Callable[[], Any]) -> Iterator[None]:
    """Have `run_here` find it, inside the block."""
    _here[name] = work
    try:
        yield
    finally:
        del _here[name]


def run_trial(spec: Spec, order: Order) -> Told:
    """Carry out a trial and note in the study what came of it; the same for the one who sent it."""
    return _host(spec).trial(order)


def judge(spec: Spec, work: Judging) -> dict[str, Any]:
    """As `Host.judge`."""
    return _host(spec).judge(work.values, work.seed, work.folder)


def _host(spec: Spec) -> Host:
    """The one for this very search: a former one of the same name had other settings, other data, or another study."""
    place = (str(spec.opening["root"]), spec.name)
    with _opening:
        former, host = _hosts.get(place, (None, None))
        if host is None or former != spec:
            if host is not None:
                _end(host)
            host = _open(spec)
            _hosts[place] = (spec, host)
        return host


def _open(spec: Spec) -> Host:
    settings = spec.settings
    assert settings.storage is not None, "a search on several machines has a database"
    storage = open_database(settings.storage, heartbeat_s=settings.heartbeat_s)
    pruner = samplers.pruner_of(settings, objectives=spec.objectives, steps=spec.steps)
    found = optuna.load_study(study_name=spec.name, storage=storage, pruner=pruner)
    patience = Patience(settings.patience_s, say=lambda line: print(line, file=sys.stderr))
    study = Study(found, Space((), {}), sampler="random", seed=0, trials=0, patience=patience)
    root = Path(str(spec.opening["root"]))
    logs = root / spec.folder / "logs" / f"{socket.gethostname()}-{os.getpid()}"
    memory = settings.gpu if settings.gpu < 1 else None
    return Host(Pool([Slot(0, memory=memory)], spec.opening, root=root, logs=logs), study, beat_s=settings.heartbeat_s)


def _end(host: Host) -> None:
    host.close()  # comes first: what runs still has something to tell the study
    host.forget()


def _end_all() -> None:
    for _, host in _hosts.values():
        _end(host)


atexit.register(_end_all)
