"""From the runs of a benchmark to its lines in the table."""

import math
import shlex
import statistics
from collections.abc import Mapping
from typing import Any

from scipy import stats

from goals.project import Outcome
from goals.rows import Benchmark, Goal

WORST = "worst:"


def lines(
    name: str,
    benchmark: Benchmark,
    outcomes: Mapping[str, Outcome],
    *,
    others: Mapping[str, Mapping[str, Outcome]],
    floors: Mapping[str, float],
) -> list[dict[str, Any]]:
    """One line for each goal; runs and floors are those of its metric. others: trainings shown as floors are."""
    first = next(iter(outcomes.values()))
    found = list[dict[str, Any]]()
    for goal in benchmark.goals:
        key = goal.metric.removeprefix(WORST)
        values = {run: float(outcome.metrics.get(key, math.nan)) for run, outcome in outcomes.items()}
        ours, spread = _score(goal, values, first.metrics)
        plain = key.split("/without/")[0]
        beside = _beside(plain, outcomes) | dict(floors)
        for label, ran in others.items():
            beside[label] = statistics.fmean(float(other.metrics.get(plain, math.nan)) for other in ran.values())
        bound = goal.bound_beside(beside)
        found.append(
            {
                "name": name,
                "what": benchmark.what,
                "metric": goal.metric,
                "ours": ours,
                "spread": spread,
                "reference": next(iter(beside.values()), None),
                "goal": bound,
                "better": goal.better,
                "met": goal.met(ours, bound),
                "floors": beside,
                "runs": values if len(values) > 1 else {},
                "parameters": first.parameters,
                "seconds": round(sum(outcome.seconds for outcome in outcomes.values()), 1),
                "choices": shlex.join(first.choices),
            }
        )
    return found


def _score(goal: Goal, values: Mapping[str, float], metrics: Mapping[str, Any]) -> tuple[float, list[float] | None]:
    """The mean over runs with Student's interval; of one run its own score and interval."""
    several = list(values.values())
    if goal.metric.startswith(WORST):
        return (min if goal.better == "up" else max)(several), None
    if len(several) == 1:
        low, high = (metrics.get(f"{goal.metric}/{end}") for end in ("low", "high"))
        return several[0], None if low is None or high is None else [low, high]
    middle = statistics.fmean(several)
    reach = float(stats.t.ppf(0.975, len(several) - 1)) * statistics.stdev(several) / math.sqrt(len(several))
    return middle, [middle - reach, middle + reach]


def _beside(key: str, outcomes: Mapping[str, Outcome]) -> dict[str, float]:
    """Floors and scores without a field, as means over the runs."""
    found = dict[str, float]()
    for kind in ("floor", "without"):
        names = sorted({k for o in outcomes.values() for k in o.metrics if k.startswith(f"{key}/{kind}/")})
        for name in names:
            label = name.removeprefix(f"{key}/").replace("/", " ").removeprefix("floor ")
            values = [o.metrics[name] for o in outcomes.values() if o.metrics.get(name) is not None]
            found |= {label: statistics.fmean(values)} if values else {}
    return found
