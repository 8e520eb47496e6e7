"""The page: one file of HTML that needs nothing else, from plain findings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from mmcore.report import charts
from mmcore.report.confusion import Confusion
from mmcore.report.examples import Gallery
from mmcore.report.numbers import duration, gap, number, spread
from mmcore.report.pieces import label, piece
from mmcore.report.scores import Score

MODEL = "this model"


@dataclass(frozen=True)
class TaskFindings:
    """What there is to say about one task."""

    name: str
    scores: Sequence[Score]
    """The one that the task is judged by comes first."""
    confusion: Confusion | None = None
    galleries: Sequence[Gallery] = ()


@dataclass(frozen=True)
class LeftOut:
    """A row in quarantine."""

    field: str | None
    cell: str | None
    reason: str


@dataclass(frozen=True)
class Findings:
    """All that the page tells."""

    tasks: Sequence[TaskFindings]
    split: str
    """The rows that the scores are of."""
    n: int
    curves: Sequence[Mapping[str, float]] = ()
    """One row an epoch: epoch, loss, lr, and `task/metric` on the validation split."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Split -> how many usable rows it has."""
    left_out: Sequence[LeftOut] = ()
    notes: Sequence[str] = ()
    """What else there is to know of the inputs."""
    params: str = ""
    """params.yaml as it stands."""
    versions: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)
    repeats: Mapping[str, str] = field(default_factory=dict)
    """`seeds` or `folds` -> the page about those repeats, where there are any."""


@dataclass(frozen=True)
class Reason:
    """Rows in quarantine for one and the same reason."""

    field: str
    text: str
    count: int
    cells: Sequence[str]
    """The first few."""


def render(findings: Findings, *, title: str) -> str:
    """The whole page."""
    return _template().render(
        title=title,
        findings=findings,
        first=findings.tasks[0].scores[0] if findings.tasks and findings.tasks[0].scores else None,
        learning=_learning(findings),
        reasons=reasons(findings.left_out),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mmcore", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "spread": spread, "piece": piece, "label": label, "duration": duration}
    environment.globals |= {
        "verdict": verdict,
        "floor_name": floor_name,
        "hardest_first": hardest_first,
        "beside_floors": beside_floors,
        "taken_away": taken_away,
        "damaged": damaged,
    }
    return environment.get_template("page.html.j2")


def floor_name(name: str) -> str:
    """How a floor is called on the page."""
    return "majority (no input at all)" if name == "majority" else f"{name} alone"


def verdict(score: Score) -> tuple[str, str]:
    """`good`, `open`, `bad` or `none`, and a sentence that says whether the model is worth having."""
    if score.value.value != score.value.value:
        return "bad", "The score is not defined on these rows."
    if score.best_floor is None:
        return "none", "No floor was computed, so there is nothing to compare it with."
    name, floor = score.best_floor
    beaten = f"{floor_name(name)} ({number(floor.value, percent=score.share)})"
    side = "above" if score.better == "up" else "below"
    if score.beats_floors:
        return "good", f"Better than every floor: {gap(score, floor)} {side} the best of them, {beaten}."
    if score.beats_floors is None:
        why = "but its interval reaches it" if score.value.low is not None else "but without an interval"
        return "open", f"{gap(score, floor)} {side} the best floor, {beaten}, {why}."
    return "bad", f"Not better than {beaten}: what it learned from its inputs together is worth nothing yet."


def hardest_first(score: Score) -> list[str]:
    """The names of the floors, the hardest to beat first."""
    return sorted(score.floors, key=lambda name: (score.floors[name].value, name), reverse=score.better == "up")


def beside_floors(score: Score) -> Markup:
    """Bars: the model, then its floors, the hardest first."""
    rows = {MODEL: score.value, **{floor_name(name): score.floors[name] for name in hardest_first(score)}}
    title = f"{score.task}: {score.metric} of the model beside its floors"
    return Markup(charts.bars(rows, strong=MODEL, percent=score.share, title=title))


def taken_away(score: Score) -> Markup:
    """Bars: the model with everything, then without each field, the one it needs most first."""
    names = sorted(score.without, key=lambda name: (score.without[name].value, name), reverse=score.better == "down")
    rows = {"with everything": score.value, **{f"without {name}": score.without[name] for name in names}}
    title = f"{score.task}: {score.metric} with each field taken away"
    return Markup(charts.bars(rows, strong="with everything", percent=score.share, title=title))


def damaged(score: Score) -> Markup:
    """Lines: the score as each kind of damage grows, from the undamaged one on."""
    strengths = sorted({strength for curve in score.under.values() for strength in curve})
    whole = dict.fromkeys(score.under, score.value.value)
    rows = [{"strength": 0.0, **whole}]
    rows += [{"strength": at, **{name: c[at] for name, c in score.under.items() if at in c}} for at in strengths]
    title = f"{score.task}: {score.metric} as inputs get worse"
    keys = {name: name for name in score.under}
    return Markup(charts.curves(rows, keys=keys, percent=score.share, title=title, along="strength"))


def _learning(findings: Findings) -> list[tuple[str, Markup]]:
    """Curves with their captions: the loss, and the metric that each task is judged by."""
    found = list[tuple[str, Markup]]()
    if any("loss" in row for row in findings.curves):
        svg = charts.curves(findings.curves, keys={"loss": "loss"}, percent=False, title="training loss by epoch")
        found.append(("Loss on the training rows", Markup(svg)))
    for task in findings.tasks:
        for score in task.scores[:1]:
            key = f"{score.task}/{score.metric}"
            if any(key in row for row in findings.curves):
                title = f"{key} on the validation rows by epoch"
                svg = charts.curves(findings.curves, keys={key: key}, percent=score.share, title=title)
                found.append((f"{score.task}: {score.metric} on the validation rows", Markup(svg)))
    return found


def reasons(left_out: Sequence[LeftOut], *, cells: int = 3) -> list[Reason]:
    """Rows in quarantine by field and reason, the most frequent first; what names the cell is no part of a reason."""
    counts, examples = Counter[tuple[str, str]](), dict[tuple[str, str], list[str]]()
    for one in left_out:
        text = one.reason.replace(one.cell, "").strip(" :'\"") if one.cell else one.reason
        key = (one.field or "the whole row", text or one.reason)
        counts[key] += 1
        if one.cell and len(examples.setdefault(key, [])) < cells:
            examples[key].append(one.cell)
    ordered = sorted(counts, key=lambda key: (-counts[key], key))
    return [Reason(*key, counts[key], examples.get(key, [])) for key in ordered]
