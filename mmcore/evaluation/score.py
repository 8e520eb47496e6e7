"""Scores by `task/metric`, with intervals, floors and fields taken away."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from mmcore.errors import BuildError
from mmcore.evaluation.intervals import interval
from mmcore.evaluation.predict import Judged
from mmcore.evaluation.settings import EvaluationSettings
from mmcore.interfaces.metric import Metric, Table
from mmcore.model.multimodal import MultimodalModel

Scores = dict[str, float]


def score(model: MultimodalModel, judged: Mapping[str, Judged]) -> Scores:
    """Every metric of every task over the rows that have their targets."""
    return {
        f"{task}/{name}": metric(known.predictions, known.truth)
        for task, known in _known(judged)
        for name, metric in _able(model, task, known.predictions).items()
    }


def with_intervals(model: MultimodalModel, judged: Mapping[str, Judged], settings: EvaluationSettings) -> Scores:
    """As `score`, with `task/metric/low` and `/high` beside each where they can be had."""
    found = score(model, judged)
    for task, known in _known(judged):
        for name, metric in _able(model, task, known.predictions).items():
            low, high = interval(
                metric,
                known.predictions,
                known.truth,
                group=known.group,
                confidence=settings.confidence,
                resamples=settings.resamples,
                seed=settings.seed,
            )
            if not math.isnan(low):
                found |= {f"{task}/{name}/low": low, f"{task}/{name}/high": high}
    return found


def majority(model: MultimodalModel, trained_on: Mapping[str, Judged], judged: Mapping[str, Judged]) -> Scores:
    """Scores of one who saw only the targets of the training split: the most frequent class, the mean.

    A task that settles does so on these too, which counts for the metrics that are better by it there: by F1 the
    positive one of two classes is always said, by accuracy the most frequent one.
    """
    found = Scores()
    for task, known in _known(judged):
        asked, seen = model.each_task()[task], trained_on[task].known()
        scores = _of_floor(model, task, seen=seen, judged=known)
        if asked.settles and (guess := asked.floor(seen.truth, len(seen.row))) is not None:
            before = _of_floor(model, task, seen=seen, judged=seen)
            asked.settle(guess, seen.truth)
            after, settled = (_of_floor(model, task, seen=seen, judged=rows) for rows in (seen, known))
            for name in settled:
                gain = after[name] - before[name]
                if (gain if _metrics(model, task)[name].better == "up" else -gain) > 0:
                    scores[name] = settled[name]
        found |= {f"{task}/{name}": value for name, value in scores.items()}
    return found


def better_of(model: MultimodalModel, monitor: str) -> Literal["up", "down"]:
    """Whether the metric `task/metric` is better `up` or `down`. Raises BuildError where no task gives it."""
    task, _, name = monitor.partition("/")
    there = [f"{task}/{metric}" for task in model.tasks for metric in _metrics(model, task)]
    if monitor not in there:
        raise BuildError(f"training.monitor is {monitor!r}, which no task gives. There are: {', '.join(there)}.")
    return _metrics(model, task)[name].better


def shares_of(model: MultimodalModel) -> list[str]:
    """`task/metric` of all that are shares of 1."""
    return [
        f"{task}/{name}" for task in sorted(model.tasks) for name, one in _metrics(model, task).items() if one.share
    ]


def needs_text(model: MultimodalModel, monitor: str) -> bool:
    """Whether the metric `task/metric` looks at texts that must be written first."""
    task, _, name = monitor.partition("/")
    return "text" in _metrics(model, task)[name].needs


def _known(judged: Mapping[str, Judged]) -> Iterable[tuple[str, Judged]]:
    return [(task, found.known()) for task, found in sorted(judged.items())]


def _of_floor(model: MultimodalModel, task: str, *, seen: Judged, judged: Judged) -> Scores:
    """By metric what a task's floor, which knows the targets of `seen`, reaches on other rows."""
    floor = model.each_task()[task].floor(seen.truth, len(judged.row))
    if floor is None:
        return {}
    return {name: metric(floor, judged.truth) for name, metric in _able(model, task, floor).items()}


def _metrics(model: MultimodalModel, task: str) -> Mapping[str, Metric]:
    return model.each_task()[task].metrics()


def _able(model: MultimodalModel, task: str, predictions: Table) -> Mapping[str, Metric]:
    """The metrics whose columns are there."""
    return {name: metric for name, metric in _metrics(model, task).items() if set(metric.needs) <= set(predictions)}
