"""The last lines of a run, for people: what became of the stages, and the score beside its floors."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.markup import escape
from rich.table import Column, Table

from flows.outcome import Outcome, Status
from mmcore.errors import ArtifactError

METRICS = Path("artifacts", "metrics.json")
REPORT = Path("artifacts", "report.html")

_COLOURS = {Status.RAN: "green", Status.RESTORED: "cyan", Status.FAILED: "bold red", Status.STOPPED: "yellow"}


@dataclass(frozen=True)
class Score:
    """One metric of one task: `answer/accuracy`, its interval where it has one, and its floors by name."""

    name: str
    value: float
    interval: tuple[float, float] | None
    floors: Mapping[str, float]


def read_scores(root: Path) -> list[Score]:
    """The scores in artifacts/metrics.json, the one that training watches first; none where the file is not there."""
    path = root / METRICS
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ArtifactError(f"{METRICS} is not JSON: {error}. Run `dvc repro evaluate`.") from error
    # Keys are flat: TASK/METRIC is the value, TASK/METRIC/low, /high and /floor/NAME stand beside it.
    scores = [_score(name, metrics) for name in metrics if name.count("/") == 1]
    watched = _watched(root)
    return sorted(scores, key=lambda score: (score.name != watched, not score.floors))


def _score(name: str, metrics: Mapping[str, Any]) -> Score:
    low, high, floor = metrics.get(f"{name}/low"), metrics.get(f"{name}/high"), f"{name}/floor/"
    return Score(
        name,
        metrics[name],
        interval=None if low is None or high is None else (low, high),
        floors={key.removeprefix(floor): value for key, value in metrics.items() if key.startswith(floor)},
    )


def _watched(root: Path) -> str | None:
    """The metric that early stopping goes by."""
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    training = params.get("training") if isinstance(params, dict) else None
    monitor = training.get("monitor") if isinstance(training, dict) else None
    return monitor if isinstance(monitor, str) else None


def score_table(scores: Iterable[Score]) -> Table:
    """A row for each score that has an interval or a floor to be held against; a column for each floor."""
    rows = [score for score in scores if score.interval or score.floors]
    floors = sorted({name for score in rows for name in score.floors})
    caption = "Right of the interval: the floors, what a model that sees less reaches." if floors else None
    table = Table(
        Column("score", overflow="fold"),
        "value",
        "95 % interval",
        *map(escape, floors),
        caption=caption,
        caption_justify="left",
    )
    for score in rows:
        beside = [_number(score.floors[name]) if name in score.floors else "" for name in floors]
        table.add_row(escape(score.name), f"[bold]{_number(score.value)}", _interval(score), *beside)
    return table


def score_line(score: Score) -> str:
    """The same in one line: `answer/accuracy 0.9812 (0.9784 to 0.9838)`."""
    interval = _interval(score)
    return f"{score.name} {_number(score.value)}" + (f" ({interval})" if interval else "")


def outcome_table(outcomes: Iterable[Outcome]) -> Table:
    table = Table("stage", "outcome", "seconds", "because")
    for outcome in outcomes:
        status = f"[{_COLOURS.get(outcome.status, 'dim')}]{outcome.status}"
        table.add_row(escape(outcome.stage), status, f"{outcome.seconds:.1f}", escape(_first_line(outcome.reason)))
    return table


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _interval(score: Score) -> str:
    return "" if score.interval is None else " to ".join(map(_number, score.interval))


def _number(value: float) -> str:
    return f"{value:.4f}"
