"""Two models on the same rows: what one gains over the other, and how sure that is (paired bootstrap over groups)."""

from dataclasses import dataclass, replace

import numpy as np

from mmcore.evaluation.intervals import means_of, resampled, scorer
from mmcore.evaluation.predict import Judged, pick
from mmcore.interfaces.metric import Metric, Table


@dataclass(frozen=True)
class Paired:
    """One score of two models; `gain` is positive where the second is better."""

    first: float
    second: float
    gain: float
    low: float
    high: float
    deviation: float
    groups: int
    unknown: int = 0
    """Rows left out because the second does not know their target; the first does."""


@dataclass(frozen=True)
class Bootstrap:
    """How groups are drawn."""

    confidence: float
    resamples: int
    seed: int

    @property
    def enough(self) -> int:
        """A verdict needs an interval also where `evaluation.resamples` asks for none."""
        return max(self.resamples, 200)


@dataclass(frozen=True)
class Side:
    """What one of the models says of the rows, in its own words: classes are numbered by what it was trained on."""

    metric: Metric
    predictions: Table
    truth: Table

    @classmethod
    def of(cls, metric: Metric, judged: Judged, keep: np.ndarray) -> "Side":
        """The rows of a mask."""
        return cls(metric, pick(judged.predictions, keep), pick(judged.truth, keep))


def compare(
    first: Judged, second: Judged, metrics: tuple[Metric, Metric], *, keep: np.ndarray, bootstrap: Bootstrap
) -> Paired | None:
    """The difference over the rows of the mask `keep` [rows]; None where it is not defined, or on less than two groups.

    A row whose target only one of the two can tell (a class that it never saw) is wrong for the other, where a row is
    right or wrong; for other metrics it is left out.
    """
    known = keep & (first.present | second.present)
    both = keep & first.present & second.present
    sides = (Side.of(metrics[0], first, both), Side.of(metrics[1], second, both))
    sign = 1.0 if metrics[1].better == "up" else -1.0
    rows = [found for side in sides if (found := side.metric.rows(side.predictions, side.truth)) is not None]
    unknown = int((known & ~second.present).sum())
    if len(rows) < 2:
        paired = _of_tables(sides, sign=sign, group=first.group[both], bootstrap=bootstrap)
        return None if paired is None else replace(paired, unknown=unknown)
    if sign > 0 and all(np.isin(found[~np.isnan(found)], (0, 1)).all() for found in rows) and (known & ~both).any():
        rows = [
            _wrong_where_unknown(judged, metric, known) for judged, metric in zip((first, second), metrics, strict=True)
        ]
        both, unknown = known, 0
    counts = ~np.isnan(rows).any(axis=0)  # the other rows say nothing, so that they are no observations
    group = first.group[both][counts]
    paired = _of_rows(rows[0][counts], rows[1][counts], sign=sign, group=group, bootstrap=bootstrap)
    return None if paired is None else replace(paired, unknown=unknown)


def _wrong_where_unknown(judged: Judged, metric: Metric, keep: np.ndarray) -> np.ndarray:
    """Right or wrong in each row of the mask; wrong where the model's own classes lack the true one."""
    able = keep & judged.present
    side, scores = Side.of(metric, judged, able), np.zeros(len(keep))
    scores[able] = metric.rows(side.predictions, side.truth)
    found: np.ndarray = scores[keep]
    return found


def _of_rows(
    first: np.ndarray, second: np.ndarray, *, sign: float, group: np.ndarray, bootstrap: Bootstrap
) -> Paired | None:
    """A mean over rows: each group counts by its sum and size."""
    if not len(first):
        return None
    _, member = np.unique(group, return_inverse=True)
    groups = int(member.max()) + 1
    gains = sign * (second - first)
    gain = float(gains.mean())
    if groups < 2 or not np.isfinite(gain):
        return None
    samples = means_of(
        gains, member, groups=groups, resamples=bootstrap.enough, generator=np.random.default_rng(bootstrap.seed)
    )
    return _paired(float(first.mean()), float(second.mean()), gain, samples, groups, bootstrap.confidence)


def _of_tables(sides: tuple[Side, Side], *, sign: float, group: np.ndarray, bootstrap: Bootstrap) -> Paired | None:
    """Any other metric: of both models the same groups are drawn, for the seed is the same."""
    scores = [side.metric(side.predictions, side.truth) for side in sides] if len(group) else [float("nan")] * 2
    if not np.isfinite(scores).all():
        return None
    _, member = np.unique(group, return_inverse=True)
    groups = int(member.max()) + 1
    gain = sign * (scores[1] - scores[0])
    if groups < 2:
        return None
    drawn = [
        resampled(
            scorer(side.metric, side.predictions, side.truth),
            member=member,
            resamples=bootstrap.enough,
            generator=np.random.default_rng(bootstrap.seed),
        )
        for side in sides
    ]
    samples = sign * (drawn[1] - drawn[0])
    samples = samples[~np.isnan(samples)]
    return _paired(scores[0], scores[1], gain, samples, groups, bootstrap.confidence) if len(samples) > 1 else None


def _paired(first: float, second: float, gain: float, samples: np.ndarray, groups: int, confidence: float) -> Paired:
    """Where all groups agree the bootstrap would say "certain": n groups cannot tell more than sqrt(n) deviations.

    Resamples of what is no mean over rows may all lie to one side: what was measured is within all the same.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    deviation = max(float(samples.std(ddof=1)), abs(gain) / groups**0.5)
    return Paired(first, second, gain, min(float(low), gain), max(float(high), gain), deviation, groups)
