"""A search from its start to its result; where its trials run is for the caller to say."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmcore.errors import ConfigError, SetupError
from mmcore.search import samplers
from mmcore.search.driver import Ended, Search, Show, Submit
from mmcore.search.host import Host, Order, Told
from mmcore.search.plan import Plan
from mmcore.search.rows import Row
from mmcore.search.slots import slots_of
from mmcore.search.space import find
from mmcore.search.storage import Patience, forget_beside, only_one, open_database, open_journal
from mmcore.search.study import Study, open_study
from mmcore.search.winner import Comparison, Result, best_row, importances
from mmcore.search.workers import Pool

SAVED = "result.json"
BETTER = "better.json"
"""Which way each objective is better."""


@dataclass(frozen=True)
class Judging:
    """One training of the final comparison."""

    label: str
    values: Mapping[str, Any]
    seed: int
    folder: str


Judge = Callable[[list[Judging]], list[dict[str, Any]]]
"""Have trainings judged as `dvc repro` does; what each came to, in order."""


@contextmanager
def opened(plan: Plan, show: Show, step: Callable[[int, int, float], None]) -> Iterator[Host]:
    """The study and its workers, ready. Raises what says why there is nothing to search with."""
    settings, folder = plan.settings, plan.root / plan.folder
    threads, device = find(plan.values, "training.threads"), find(plan.values, "training.device")
    slots = slots_of(settings, threads=threads, device=device)
    with only_one(folder, name=plan.name):
        show.say(f"Starting {len(slots)} worker{'s' * (len(slots) > 1)}.")
        pool = Pool(slots, plan.opening(), root=plan.root, logs=folder / "logs")
        host: Host | None = None
        try:
            better = _introduced(pool, plan)
            (folder / BETTER).write_text(json.dumps(better), encoding="utf-8")
            study = study_of(plan, better, say=show.say)
            forget_beside(plan.root / plan.shared)
            host = Host(pool, study, beat_s=settings.heartbeat_s if settings.storage else None, step=step)
            yield host
        finally:
            pool.close()
            if host is not None:
                host.close()
                host.forget()


def _introduced(pool: Pool, plan: Plan) -> list[str]:
    """What the first worker says of the project: which way each objective is better. Raises for what is wrong."""
    with pool.worker() as worker:
        order = {**pool.opening, "do": "open", "ask": True, "ends": plan.ends(), "memory": worker.slot.memory}
        answer = worker.order(order)
    if answer.done is None:
        raise ConfigError(f"The search cannot start: {answer.failed}")
    if faults := answer.done["faults"]:
        raise ConfigError("The space goes beyond what may be set:\n" + "\n".join(f"  {fault}" for fault in faults))
    pool.opening["monitor"] = answer.done["monitor"]
    with pool.worker() as worker:
        worker.order({**pool.opening, "do": "open", "ask": False, "memory": worker.slot.memory})
    return list(answer.done["better"])


def study_of(plan: Plan, better: list[str], *, say: Callable[[str], None]) -> Study:
    """The study, where it is kept."""
    settings = plan.settings
    storage = (
        open_journal(plan.journal)
        if settings.storage is None
        else open_database(settings.storage, heartbeat_s=settings.heartbeat_s)
    )
    pruner = samplers.pruner_of(settings, objectives=len(better), steps=plan.steps)
    return open_study(
        storage, plan.space, name=plan.name, better=better, about=plan.about(), sampler=settings.sampler,
        pruner=pruner, seed=settings.seed, trials=settings.trials, patience=Patience(settings.patience_s, say=say),
    )  # fmt: skip


def search(
    plan: Plan, host: Host, show: Show, submit: Submit, judge: Judge, *, places: int,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Ended, Result]:  # fmt: skip
    """All trials, then the winner against what was there. Raises SetupError where the disk is full, or the like."""
    ended = Search(plan, host.study, show, places=places, shared=plan.settings.storage is not None).run(
        submit, stopped=stopped
    )
    result = result_of(plan, host.study, why=ended.why)
    if ended.denied:
        raise SetupError(f"{ended.why} No trial is lost by it; started again, the search goes on. {result.counted()}")
    if ended.stopped or ended.too_many_failed or result.winner is None:
        return ended, result
    if plan.settings.confirm:
        show.say("The winner and the settings that are there are trained anew, to be judged on rows not seen so far.")
        result = replace(result, comparison=compared(plan, host, result.winner, judge))
    return ended, result


def result_of(plan: Plan, study: Study, *, why: str) -> Result:
    """As the study stands now."""
    rows = study.rows()
    winner, front = best_row(study, rows)
    return Result(
        plan.name, why, plan.objectives, study.better, rows, winner, front, importances=importances(study),
        space=plan.space.described(),
    )  # fmt: skip


def compared(plan: Plan, host: Host, winner: Row, judge: Judge) -> Comparison:
    """Winner and default, each with `confirm` seeds from training.seed on, judged on evaluation.split."""
    key = find(plan.values, "training.monitor")
    first, count = find(plan.values, "training.seed"), plan.settings.confirm
    seeds = list(range(first, first + count))
    won = plan.project.settle(winner.changes)
    pairs = [("default", plan.values)] + ([] if won == plan.values else [("winner", won)])
    work = [
        Judging(f"{label}, seed {seed}", values, seed, plan.judged_folder(values, seed))
        for label, values in pairs
        for seed in seeds
    ]
    found = judge(work)
    scores = [float(one["scores"][key]) for one in found]
    default = dict(zip(seeds, scores[:count], strict=True))
    won_by = dict(zip(seeds, scores[-count:], strict=True))
    better, split = host.monitor, found[0]["split"]
    if len(pairs) == 1:
        return Comparison(key, split, better, won_by, default)
    confidence = find(plan.values, "evaluation.confidence")
    interval = host.compare(list(won_by.values()), list(default.values()), confidence=confidence)
    difference = sum(won_by.values()) / count - sum(default.values()) / count
    low, high = interval if interval else (None, None)
    return Comparison(key, split, better, won_by, default, difference, low, high, confidence)


def in_threads(host: Host, places: int) -> tuple[Submit, Judge, ThreadPoolExecutor]:
    """Trials on the workers of this process."""
    threads = ThreadPoolExecutor(places, thread_name_prefix="trial")

    def submit(order: Order, done: Callable[[Told | BaseException], None]) -> None:
        def work() -> None:
            try:
                done(host.trial(order))
            except BaseException as error:  # goes to the thread that waits for it
                done(error)

        threads.submit(work)

    def judge(work: list[Judging]) -> list[dict[str, Any]]:
        return list(threads.map(lambda one: host.judge(one.values, one.seed, one.folder), work))

    return submit, judge, threads


def save(result: Result, folder: Path) -> None:
    """What the comparison came to, for the page to be written anew without it."""
    part = folder / f".{SAVED}.{os.getpid()}"
    part.write_text(json.dumps(result.to_json(), indent=2), encoding="utf-8")
    part.replace(folder / SAVED)


def with_saved(result: Result, folder: Path) -> Result:
    """The same with why the last run ended and its comparison, where that was about the same winner."""
    if not (folder / SAVED).exists():
        return result
    found = json.loads((folder / SAVED).read_text(encoding="utf-8"))
    now = result.to_json()
    if found["winner"] != now["winner"] or (result.winner is None and found["trials"] != now["trials"]):
        return result
    result, one = replace(result, why=found["ended"]), found["comparison"]
    if one is None:
        return result
    by_seed = {who: {int(seed): score for seed, score in one[who].items()} for who in ("winner", "default")}
    compared = Comparison(
        one["score"], one["split"], one["better"], by_seed["winner"], by_seed["default"], one["difference"],
        one["low"], one["high"], one["confidence"],
    )  # fmt: skip
    return replace(result, comparison=compared)


def former_study(plan: Plan) -> Study:
    """The study of a search that was begun. Raises SetupError where there is none."""
    noted = plan.root / plan.folder / BETTER
    if not noted.exists():
        raise SetupError(f"There is no search {plan.name!r} yet. Start one with the same words, without --result.")
    return study_of(plan, json.loads(noted.read_text(encoding="utf-8")), say=lambda line: print(line, file=sys.stderr))
