"""`mm search` as a person runs it: real workers, killed at any time."""

import json
import os
import signal
import time

import optuna
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mmcore.search.host import Host, Order
from mmcore.search.rows import State
from mmcore.search.slots import Slot
from mmcore.search.trial.__main__ import is_broken, reason_of
from mmcore.search.workers import Pool, WorkerDied
from tests.search.project import SPACE

pytestmark = [
    pytest.mark.slow,  # every worker is a process that imports torch
    pytest.mark.timeout(600),
]

WORDS = ("name=found", f"space={json.dumps(SPACE)}", "trials=4", "workers=2", "confirm=2", "pruner=none")


def eventually(condition, seconds=200):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def trials(project):
    """Of the study, as anybody may read it from its file."""
    journal = project.root / ".mm" / "search" / "found" / "journal.log"
    if not journal.exists():
        return []
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.load_study(study_name="found", storage=JournalStorage(JournalFileBackend(str(journal)))).trials
    except KeyError:
        return []


def completed(project):
    return [trial for trial in trials(project) if trial.state.name == "COMPLETE"]


def workers_of(search):
    found = psutil.Process(search.pid).children(recursive=True)
    return [child for child in found if "mmcore.search.trial" in child.cmdline()]


def test_killed_at_any_time_it_goes_on_and_ends_in_an_experiment_that_keeps_its_promise(project):
    project.compose("training.epochs=15")
    project.prepare()
    search = project.start("mm", "search", *WORDS)
    eventually(lambda: len(completed(project)) >= 1)
    workers_of(search)[0].send_signal(signal.SIGKILL)  # one worker
    eventually(lambda: len(completed(project)) >= 2)
    left = workers_of(search)
    os.kill(search.pid, signal.SIGKILL)  # the search itself
    search.communicate()
    psutil.wait_procs(left, timeout=30)
    assert not [worker for worker in left if worker.is_running() and worker.status() != "zombie"]

    again = project.start("mm", "search", *WORDS)  # and once more, as ctrl-c does
    count = len(completed(project))
    eventually(lambda: len(completed(project)) > count or again.poll() is not None)
    os.kill(again.pid, signal.SIGINT)
    _, told = again.communicate(timeout=120)
    assert again.returncode in (0, 130), told
    assert "Traceback" not in told

    result = json.loads(project.mm("search", *WORDS, "--json").stdout)
    assert result["trials"] == {"complete": 4, "pruned": 0, "failed": 0}
    done = completed(project)
    assert len({trial.user_attrs["root"] for trial in done}) == len(done) == 4
    assert (project.root / "artifacts" / "search" / "report.html").exists()

    promised = result["comparison"]["winner"]["0"]
    project.mm("compose", "--force", "experiment=found")
    project.mm("stage", "train")
    project.mm("stage", "evaluate")
    metrics = json.loads((project.root / "artifacts" / "metrics.json").read_text())
    assert metrics["kind/accuracy"] == promised
    text = (project.root / "conf" / "experiment" / "found.yaml").read_text()
    assert repr(promised) in text
    assert "defaults: [numbers, _self_]" in text
    assert "schedule" not in text


@pytest.fixture
def host(project):
    """One worker, and a study that is told of it."""
    made = []

    def hosted(**settings):
        plan = project.plan(pruner="none", **settings)
        from mmcore.search.session import study_of

        study = study_of(plan, ["up"], say=print)
        pool = Pool([Slot(0)], plan.opening(), root=plan.root, logs=plan.root / "logs")
        made.append(Host(pool, study, beat_s=None))
        return made[-1], plan

    yield hosted
    for one in made:
        one.close()


def ordered(host, plan, **changes):
    asked = host.study.ask()
    values = plan.project.settle(asked.drawn.changes)
    for section, more in changes.items():
        values[section] = {**values[section], **more}
    return Order(asked.number, asked.identity, values, f"t/{asked.root}")


def test_a_worker_is_started_once_and_outlives_a_trial_that_fails_by_its_own_fault(host):
    made, plan = host()
    wrong = made.trial(ordered(made, plan, training={"lr": 1e30, "clip_norm": None, "warmup": 0.0}))
    assert wrong.state is State.FAILED
    assert "the loss is" in wrong.reason
    (first,) = made.pool.pids()
    unfit = made.trial(ordered(made, plan, fusion={"width": -1}))
    assert (unfit.state, "must be between" in unfit.reason) == (State.UNBUILT, True)
    assert made.trial(ordered(made, plan)).state is State.COMPLETE
    assert made.pool.pids() == [first]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: made.pool.pids() == [])
    assert made.trial(ordered(made, plan)).state is State.COMPLETE
    assert made.pool.pids() != [first]


def test_isolated_trials_are_children_of_a_worker_that_stays(host):
    made, plan = host(isolate=True)
    assert made.trial(ordered(made, plan)).state is State.COMPLETE
    (first,) = made.pool.pids()

    def kill_the_child(number, step, value):
        for child in psutil.Process(first).children():
            child.kill()

    made._step = kill_the_child
    assert made.trial(ordered(made, plan)).state is State.DIED
    made._step = lambda number, step, value: None
    assert made.trial(ordered(made, plan)).state is State.COMPLETE
    assert made.pool.pids() == [first]


def test_a_pool_that_is_closed_starts_nothing_any_more(host):
    made, plan = host()
    made.close()
    told = made.trial(ordered(made, plan))
    assert told.state is State.DIED
    with pytest.raises(WorkerDied, match="ended"), made.pool.worker():
        pass


def test_a_second_search_of_the_same_name_is_refused(project):
    from mmcore.search.storage import only_one

    with only_one(project.root / ".mm" / "search" / "found", name="found"):
        told = project.mm("search", *WORDS, code=2).stderr
    assert f"'found' is running already, as process {os.getpid()}" in told


def test_too_large_for_the_memory_is_a_reason_and_breaks_the_worker():
    for error in (
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError("no more"),
    ):
        assert is_broken(error)
        assert reason_of(error).startswith("out of memory: ")
    assert is_broken(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_broken(ValueError("x"))
    assert reason_of(ValueError("x\ny")) == "ValueError: x"
