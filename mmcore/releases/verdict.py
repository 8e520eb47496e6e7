"""PROMOTE, HOLD or REJECT, with reasons: from the differences of two models on the same rows. Knows no model."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mmcore.releases.noise import Chance, Noise
from mmcore.releases.settings import VerdictSettings

FEW = 2.0
"""Degrees of freedom below which Student's t asks for a gain that mostly no model can have: at a chance of 0.05 / 365
for 3300 deviations with one, for 85 with two, which is a first night of three seeds."""


class Decision(StrEnum):
    """What becomes of a new model."""

    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    """The one in use stays; nothing speaks against the new one but that nothing shows it to be better."""
    REJECT = "REJECT"
    """It is worse, at large or where it must not be."""


@dataclass(frozen=True)
class Difference:
    """One score of both models on the same rows."""

    champion: float
    challenger: float
    gain: float
    """By how much the challenger is better, whichever direction that is."""
    low: float
    high: float
    """The interval of the gain, by the paired bootstrap over groups."""
    deviation: float
    """Of the gain, by the same."""
    groups: int
    """Independent observations behind it."""
    unknown: int = 0
    """Rows that the champion can be judged on, and the challenger cannot: it does not know their target."""


@dataclass(frozen=True)
class Judgement:
    """A decision and why."""

    decision: Decision
    reasons: Sequence[str] = field(default_factory=list)


def judge(
    watched: Difference,
    *,
    metric: str,
    others: Mapping[str, Difference],
    slices: Mapping[str, Difference],
    chance: Chance,
    noise: Noise,
    allowed: float,
    settings: VerdictSettings,
) -> Judgement:
    """Whether the challenger takes the champion's place.

    watched: of `training.monitor`, by name `metric`. others: of every other score. slices: of the watched score.
    """
    worse = [*_worse(watched, metric), *_regressions(others, slices, metric=metric, settings=settings)]
    if worse:
        return Judgement(Decision.REJECT, worse)
    if not math.isfinite(watched.gain):
        why = "that is no number to judge by"
        return Judgement(Decision.HOLD, [f"{metric} is {watched.challenger} against {watched.champion}: {why}."])
    known = {name for name, found in others.items() if math.isfinite(found.gain)}
    unknown = sorted(settings.tolerances.keys() - known - {metric})
    if unknown:
        why = "could not be compared: the model in use lacks it, or it is not defined on these rows"
        return Judgement(Decision.HOLD, [f"{name}, which verdict.tolerances names, {why}." for name in unknown])
    told = f"{metric} {watched.challenger:.4f} against {watched.champion:.4f} of the model in use"
    if watched.unknown:
        why = f"says nothing of {watched.unknown} rows whose target the new model does not know, and it would be wrong"
        return Judgement(Decision.HOLD, [f"{told}: it {why}."])
    if chance.p <= allowed and watched.gain > 0:
        why = f"a gain of {watched.gain:.4f} was enough from {chance.needed:.4f} on"
        return Judgement(Decision.PROMOTE, [f"{told}: {why} (chance {chance.p:.2g}, allowed {allowed:.2g})."])
    return Judgement(Decision.HOLD, [f"{told}: {_short_of(watched, chance, noise)}"])


def first(scores: Mapping[str, float], metric: str, *, better: str) -> Judgement:
    """Where no model is in use: the first one has to beat what can be had without it. scores: metrics.json."""
    if metric not in scores:
        return Judgement(
            Decision.HOLD,
            [f"metrics.json has no {metric}, which training.monitor names: it is no number there, or of no task."],
        )
    value, start = scores[metric], f"{metric}/floor/"
    if not math.isfinite(value):
        why = "that is no number to judge by"
        return Judgement(Decision.HOLD, [f"No model is in use, and {metric} is {value}: {why}."])
    sign = 1 if better == "up" else -1
    floors = {
        key.removeprefix(start): floor
        for key, floor in scores.items()
        if key.startswith(start) and not math.isnan(floor)
    }
    unbeaten = [f"{name} ({floor:.4f})" for name, floor in sorted(floors.items()) if sign * (value - floor) <= 0]
    if unbeaten:
        return Judgement(
            Decision.HOLD, [f"No model is in use, and {metric} {value:.4f} does not beat its floor {unbeaten[0]}."]
        )
    beats = f" and beats every floor, the best of which is {_best(floors, sign):.4f}" if floors else ""
    return Judgement(Decision.PROMOTE, [f"No model is in use: this is the first. {metric} is {value:.4f}{beats}."])


def _best(floors: Mapping[str, float], sign: int) -> float:
    return sign * max(sign * floor for floor in floors.values())


def _worse(watched: Difference, metric: str) -> Iterator[str]:
    if watched.gain < 0 and watched.high < 0:
        yield (
            f"{metric} fell from {watched.champion:.4f} to {watched.challenger:.4f}, "
            f"by {-watched.high:.4f} to {-watched.low:.4f}."
        )


def _regressions(
    others: Mapping[str, Difference],
    slices: Mapping[str, Difference],
    *,
    metric: str,
    settings: VerdictSettings,
) -> Iterator[str]:
    """What is worse by more than its tolerance, and not by chance alone."""
    for name, tolerance in sorted(settings.tolerances.items()):
        found = others.get(name)
        if found is not None and found.gain < -tolerance and found.high < 0:
            yield f"{name} is worse by {-found.gain:.4f}; verdict.tolerances allows {tolerance:g}."
    if settings.slice_tolerance is None:
        return
    for name, found in sorted(slices.items()):
        if found.gain < -settings.slice_tolerance and found.high < 0:
            yield (
                f"{metric} is worse by {-found.gain:.4f} where {name}; "
                f"verdict.slice_tolerance allows {settings.slice_tolerance:g}."
            )


def _short_of(watched: Difference, chance: Chance, noise: Noise) -> str:
    if watched.gain <= 0:
        return "it is not better, and a tie keeps the model in use."
    if noise.freedom == 0:
        return (
            f"a gain of {watched.gain:.4f}, but how far two trainings of one kind lie apart is not known yet. It is "
            "from the third comparison on, or at once with repeats.seeds: 3 or more."
        )
    if math.isinf(chance.needed):
        return (
            f"a gain of {watched.gain:.4f}, but earlier looks of this year have spent what verdict.false_promotions "
            "allows, and no gain is enough. Wait until they are a year old, raise it, or promote by hand."
        )
    what = {"rows": "the rows drawn", "trainings": "which training it happened to be"}[chance.by]
    short = f"a gain of {watched.gain:.4f} can be chance in {what}; from {chance.needed:.4f} on it would not."
    if chance.by == "trainings" and noise.freedom < FEW:
        short += (
            " Trainings as few as these tell next to nothing of that chance, so that mostly no model can gain enough. "
            "Each further night asks for less, and far less with repeats.seeds: 3 or more."
        )
    return short
