"""What a search costs: a trial beside the same training alone, four places against one, features kept or computed anew.

Everything runs in a project of its own in a temporary folder. Trainings in real workers, on one torch thread each;
where two ways are compared they take turns, and a row gives the medians.
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

from mmcore.config.params import Params, load_params
from mmcore.config.search import read_search
from mmcore.config.update import update
from mmcore.registry.plugins import installed
from mmcore.search.driver import Search
from mmcore.search.host import Host, Order, Told
from mmcore.search.plan import Plan, make_plan
from mmcore.search.rows import State
from mmcore.search.session import study_of
from mmcore.search.slots import Slot
from mmcore.search.workers import Pool
from mmcore.stages import encode, features, fit, ingest, join, train
from mmcore.stages.paths import Paths

ROOT = Path(__file__).resolve().parents[1]
OVERHEAD, SPEED_UP, CACHE = 1.05, 3.8, 10.0
SPACE = {"training.lr": {"low": 0.0005, "high": 0.01, "log": True}}


class Quiet:
    """Shows nothing."""

    def began(self, asked: Any) -> None: ...
    def ended(self, asked: Any, told: Any) -> None: ...
    def tick(self) -> None: ...
    def say(self, line: str) -> None: ...


@contextlib.contextmanager
def project(*choices: str) -> Iterator[Path]:
    """A folder with the built-in example's data, prepared."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "conf").symlink_to(ROOT / "conf")
        os.chdir(root)
        try:
            update(
                root,
                ["experiment=easy_vqa", "floors.alone=false", "data.max_broken=0.1", *choices],
                plugins=installed(),
                force=True,
            )
            prepare(root)
            yield root
        finally:
            os.chdir(before)


def prepare(root: Path) -> None:
    """What `dvc repro join` does, and DVC's note of it."""
    paths, noted = Paths(root), dict[str, Any]()
    names = sorted(load_params(paths.params, ["fields"]).fields())
    for stage in (ingest, fit, encode, features, join):
        name = stage.__name__.rpartition(".")[2]
        for field in names if name in ("fit", "encode", "features") else [None]:
            params = load_params(paths.params, [key.format(field=field) for key in stage.READS])
            stage.run(params, paths, **({} if field is None else {"field": field}))
            values = {key: params.get(key, object) for key in params.keys}
            noted[name if field is None else f"{name}@{field}"] = {"params": {"params.yaml": values}}
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": noted}), encoding="utf-8")


def plan_for(root: Path, name: str, **settings: Any) -> Plan:
    given = {"space": SPACE, "pruner": "none", "sampler": "random", **settings, "name": name}
    words = [f"{key}={json.dumps(value)}" for key, value in given.items()]
    return make_plan(read_search(root, words, plugins=installed()), plugins=installed())


@contextlib.contextmanager
def hosted(plan: Plan, *, slots: int = 1) -> Iterator[Host]:
    study = study_of(plan, ["up"], say=print)
    places = [Slot(number) for number in range(slots)]
    host = Host(Pool(places, plan.opening(), root=plan.root, logs=plan.root / "logs"), study, beat_s=None)
    try:
        yield host
    finally:
        host.close()


def one_trial(plan: Plan, host: Host, more: Mapping[str, Any] | None = None) -> tuple[float, float]:
    """Seconds from asking to having noted the score: by the clock, and of work in this process and the worker."""
    began, worked = time.perf_counter(), working(host)
    asked = host.study.ask()
    assert asked is not None, "the budget is large enough"
    changes = {**asked.drawn.changes, **(more or {})}
    order = Order(asked.number, asked.identity, plan.project.settle(changes), f"t/{asked.number}")
    told = host.trial(order)
    assert told.state is State.COMPLETE, told.reason
    return time.perf_counter() - began, working(host) - worked


def working(host: Host) -> float:
    """CPU seconds of this process and its workers: the same however busy the machine is otherwise."""
    return time.process_time() + sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in host.pool.pids())


def alone(values: Mapping[str, Any], root: Path, number: int) -> float:
    """CPU seconds of the same training in this process, which has everything loaded too."""
    began = time.process_time()
    train.run(Params(values, train.READS), Paths(root, kept=f"alone-{number}"), plugins=installed())
    return time.process_time() - began


def overhead(root: Path, *, turns: int) -> list[dict[str, object]]:
    """A trial over the same training alone, and a worker's start."""
    plan = plan_for(root, "overhead", trials=100)
    with hosted(plan) as host:
        began = time.perf_counter()
        with host.pool.worker():
            started = time.perf_counter() - began
        one_trial(plan, host)  # what either does for the first time is not what is asked
        alone(plan.values, root, 0)
        ours, reference = list[float](), list[float]()
        for turn in range(turns):
            ours.append(one_trial(plan, host)[1])
            reference.append(alone(plan.values, root, turn + 1))
    ratios = sorted(mine / theirs for mine, theirs in zip(ours, reference, strict=True))
    seconds, ratio = statistics.median(reference), statistics.median(ratios)
    extra = statistics.median(ours) - seconds
    long = 1 + extra / 30
    return [
        row(f"a trial over the same training alone ({seconds:.0f} s), in s of CPU time", statistics.median(ours),
            seconds, ratio=ratio, spread=ratios, goal=OVERHEAD, met=ratio < OVERHEAD),
        row("the same, for a training of 30 s of CPU time", 30 + extra, 30.0, ratio=long, spread=[long, long],
            goal=OVERHEAD, met=long < OVERHEAD),
        row("start of a worker, once for all of its trials, in s", started, None, ratio=None, spread=[], goal=None,
            met=None),
    ]  # fmt: skip


def side_by_side(root: Path, *, seconds: float, trials: int) -> dict[str, object]:
    """Four places against one, for trials that sleep: what the loop and the study cost."""
    taken = {}
    for places in (1, 4):
        plan = plan_for(root, f"places-{places}", trials=trials)
        study = study_of(plan, ["up"], say=print)

        def submit(order: Order, done: Callable[[Told | BaseException], None], study: Any = study) -> None:
            def work() -> None:
                time.sleep(seconds)
                study.complete(order.identity, [0.5], {"scores": {}, "seconds": seconds})
                done(Told(order.number, State.COMPLETE, 0.5))

            threading.Thread(target=work).start()

        began = time.perf_counter()
        Search(plan, study, Quiet(), places=places, shared=False).run(submit)
        taken[places] = time.perf_counter() - began
    ratio = taken[1] / taken[4]
    return row(f"{trials} trials that sleep {seconds:g} s, 4 at once against 1, in s", taken[4], taken[1], ratio=ratio,
               spread=[ratio, ratio], goal=SPEED_UP, met=ratio >= SPEED_UP)  # fmt: skip


def cached(*, limit: int, epochs: int, trials: int) -> dict[str, object]:
    """Trials an hour with a frozen timm encoder: its features computed once, or at each step."""
    choices = [
        f"data.limit={limit}", f"training.epochs={epochs}", "fusion=concat",
        "fields.image.modality={name: image, size_px: 64}",
        "fields.image.encoder={name: timm, model: resnet18, weights: none}", "fields.image.frozen=true",
    ]  # fmt: skip
    hourly = {}
    with project(*choices) as root:
        plan = plan_for(root, "cached", trials=100)
        with hosted(plan) as host:
            one_trial(plan, host)
            for kept in ("auto", "off"):
                taken = [one_trial(plan, host, {"fields.image.features": kept})[0] for _ in range(trials)]
                hourly[kept] = 3600 / statistics.median(taken)
    ratio = hourly["auto"] / hourly["off"]
    what = f"trials an hour, easy-VQA ({limit} questions, {epochs} epochs), frozen resnet18: features kept or not"
    return row(what, hourly["auto"], hourly["off"], ratio=ratio, spread=[ratio, ratio], goal=CACHE,
               met=ratio >= CACHE)  # fmt: skip


def row(
    what: str, ours: float, reference: float | None, *, ratio: float | None, spread: list[float], goal: float | None,
    met: bool | None,
) -> dict[str, object]:  # fmt: skip
    """As every benchmark has it."""
    ordered = sorted(spread)
    quartiles = [round(ordered[len(ordered) // 4], 3), round(ordered[3 * len(ordered) // 4], 3)] if ordered else None
    return {
        "what": what, "ours": round(ours, 2), "reference": None if reference is None else round(reference, 2),
        "ratio": None if ratio is None else round(ratio, 3), "spread": quartiles, "goal": goal, "met": met,
    }  # fmt: skip


def measure(*, quick: bool) -> Iterator[dict[str, object]]:
    """Every row, as soon as it is there."""
    with project(
        *(["data.limit=600", "training.epochs=1"] if quick else ["data.limit=6000", "training.epochs=6"])
    ) as root:
        yield side_by_side(root, seconds=1.0 if quick else 2.0, trials=8 if quick else 24)
        yield from overhead(root, turns=2 if quick else 5)
    yield cached(limit=400, epochs=2, trials=1) if quick else cached(limit=2000, epochs=6, trials=2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter trainings, fewer turns")
    parser.add_argument("--json", action="store_true", help="rows for programs")
    options = parser.parse_args()
    rows = list[dict[str, object]]()
    for found in measure(quick=options.quick):
        rows.append(found)
        if not options.json:
            print("  ".join(f"{key}: {value}" for key, value in found.items()), flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))
