"""`mm search`: find better settings, without Prefect."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmcore.config.experiment import place_of, write_experiment
from mmcore.config.search import read_search
from mmcore.data.writing import without_nan
from mmcore.errors import ConfigError, Interrupted, MmcoreError, SetupError
from mmcore.registry.plugins import installed
from mmcore.report.search import Compared, Page, render_search
from mmcore.report.search_charts import Point
from mmcore.runtime.signals import catch_signals
from mmcore.search.display import Display
from mmcore.search.plan import Plan, make_plan
from mmcore.search.rows import Row, State
from mmcore.search.session import former_study, in_threads, opened, result_of, save, search, with_saved
from mmcore.search.winner import Result

REPORT = Path("artifacts/search/report.html")
SHOWN = (State.COMPLETE, State.PRUNED, State.FAILED)
FAULTY = (State.FAILED, State.UNBUILT)
IN_A_TRIAL = re.compile(r"(\.mm/search/[^/\s]+/trials/)[\w./-]*\w")
AS_IT_STANDS = "it was looked at as it stands"


def run_search(words: Sequence[str], *, as_json: bool) -> None:
    """Search, write the experiment and the page, and say what came of it."""
    plan = make_plan(read_search(Path(), words, plugins=installed()), plugins=installed())
    place_of(plan.root, plan.name)  # told before hours of trials, not after them
    if plan.settings.dask is not None:
        raise SetupError("dask=... is for `python -m flows.search`: Prefect hands the trials to the cluster.")
    with (
        catch_signals() as stop,
        Display(trials=plan.settings.trials) as display,
        opened(plan, display, display.step) as host,
    ):
        display.follow(host.study)
        places = len(host.pool)
        submit, judge, threads = in_threads(host, places)
        try:
            ended, result = search(plan, host, display, submit, judge, places=places,
                                   stopped=lambda: stop.requested is not None)  # fmt: skip
        finally:
            host.close()
            threads.shutdown(wait=True)
    if stop.requested is not None:
        raise Interrupted(f"stopped; started again, the search goes on. {result.counted()}", signal=stop.requested)
    finish(plan, result, as_json=as_json)
    if ended.too_many_failed:
        raise MmcoreError(f"{ended.why}. {reasons(result)}")
    check_winner(result)


def write_result(words: Sequence[str], *, as_json: bool) -> None:
    """The experiment and the page of a study as it stands, also while it is searched."""
    plan = make_plan(read_search(Path(), words, plugins=installed()), plugins=installed())
    folder = plan.root / plan.folder
    study = former_study(plan)
    result = result_of(plan, study, why=AS_IT_STANDS)
    study.close()
    finish(plan, with_saved(result, folder), as_json=as_json)
    check_winner(result)


def finish(plan: Plan, result: Result, *, as_json: bool) -> None:
    """The experiment's file, the page, and a few lines; these also where that file cannot be written.

    Raises ConfigError where it cannot.
    """
    try:
        if result.winner is not None:
            result = replace(result, experiment=str(_experiment(plan, result)))
    except ConfigError as error:
        raise ConfigError(
            f"{error} What was found stays in {plan.folder}: once that is mended, the same words with --result write "
            "the experiment. Under another name the search would begin anew."
        ) from error
    finally:
        save(result, plan.root / plan.folder)
        _page(plan, result)
        if as_json:
            print(json.dumps(without_nan(result.to_json()), indent=2))
        else:
            tell(plan, result)


def tell(plan: Plan, result: Result) -> None:
    """For people."""
    print(f"{result.counted()} The search ended because {result.why}.")
    if result.winner is None or result.winner.values is None:
        return
    values = "  ".join(f"{k} {v:.5g}" for k, v in zip(result.objectives, result.winner.values, strict=True))
    print(f"Best: trial {result.winner.number}  {values}")
    for key, value in result.winner.told.items():
        print(f"  {key}: {value}")
    if len(result.front) > 1:
        print(f"The Pareto front has {len(result.front)} trials; the page shows them.")
    if result.comparison is not None:
        print(result.comparison.sentence())
    take = "" if result.experiment is None else f"Take it: mm compose experiment={plan.name} && dvc repro      "
    print(f"{take}The page: {REPORT}")


def check_winner(result: Result) -> None:
    """Raises MmcoreError where no trial came to a score: an experiment that is there is of an earlier search."""
    if result.winner is not None:
        return
    if not (why := reasons(result)):
        raise MmcoreError(
            f"No trial has come to a score so far ({result.counted()[:-1]}). Started again, with more minutes=... or "
            "trials=... where these are used up, the search goes on."
        )
    raise MmcoreError(
        f"No trial came to a score. {why}\nMend that, then search under another name (name=...), or with more trials."
    )


def failures(result: Result) -> dict[str, int]:
    """First line of a reason -> how many trials failed for it, the most frequent first. Each has a folder of its own,
    which is left out."""
    lines = [row.reason.partition("\n")[0] for row in result.rows if row.state in FAULTY]
    return dict(Counter(IN_A_TRIAL.sub(r"\1*", line) for line in lines).most_common())


def reasons(result: Result) -> str:
    """Why trials failed, for people."""
    lines = [f"  {count} x {text}" for text, count in list(failures(result).items())[:5]]
    return "\n".join(["Why they failed:", *lines]) if lines else ""


def _experiment(plan: Plan, result: Result) -> Path:
    assert result.winner is not None, "there is a winner"
    assert result.winner.values is not None, "it has values"
    values = "  ".join(f"{k} {v:.5g}" for k, v in zip(result.objectives, result.winner.values, strict=True))
    rows = "left-out" if plan.settings.folds else "validation"
    notes = [f"Trial {result.winner.number} of {sum(result.counts().values())}: {values} on the {rows} rows."]
    if (compared := result.comparison) is not None:
        seed, score = next(iter(compared.winner.items()))
        promised = f"{compared.key} {score!r} on the {compared.split} rows (seed {seed})"
        notes += [compared.sentence(), f"`dvc repro` gives {promised}."]
    return write_experiment(
        plan.root, plan.name, plan.project.settle(result.winner.changes), choices=plan.project.choices, notes=notes,
        plugins=installed(),
    )  # fmt: skip


def page_of(result: Result) -> Page:
    """What the page tells, in plain values."""
    strong = {row.number for row in result.front} or ({result.winner.number} if result.winner else set())
    compared = result.comparison
    return Page(
        result.objectives, result.better, result.why,
        points=[_point(row, strong=row.number in strong) for row in result.rows if row.state in SHOWN],
        space=result.space, importances=result.importances,
        winner=result.winner.number if result.winner else None,
        changes=result.winner.told if result.winner else {},
        front=[row.number for row in result.front],
        compared=None if compared is None else Compared(
            compared.key, compared.split, compared.verdict, compared.sentence(), compared.winner, compared.default
        ),
        experiment=result.experiment, failures=failures(result),
    )  # fmt: skip


def _point(row: Row, *, strong: bool) -> Point:
    """Lists become a setting for each item, and one for how many there are."""
    settings = dict[str, object]()
    for name, value in row.named.items():
        if isinstance(value, list):
            settings |= {f"{name}.length": len(value)} | {f"{name}.{n}": item for n, item in enumerate(value)}
        else:
            settings[name] = value
    last = (row.steps[max(row.steps)],) if row.steps else None
    return Point(row.number, str(row.state), row.values or last, settings, strong)


def _page(plan: Plan, result: Result) -> None:
    path = plan.root / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    page = render_search(page_of(result), title=f"Search: {plan.name}")
    part = path.with_name(f".{path.name}.part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)
