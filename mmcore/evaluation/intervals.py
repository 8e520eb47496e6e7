"""Confidence intervals by the bootstrap over groups.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals). Groups are drawn, not
rows: ten questions about one image are not ten independent observations. Where every row is right, or every row is
wrong, all resamples are equal and would say "certain"; the score interval does not (Wilson, 1927, with n = groups). It
stands in for scores that are no mean over rows too (F1), where no resample has a mistake.
"""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from mmcore.evaluation.predict import pick
from mmcore.interfaces.metric import Metric, Table

DRAWN = 2**20
"""Groups that are drawn at a time, over all samples: 16 MiB."""


def interval(
    metric: Metric,
    predictions: Table,
    truth: Table,
    *,
    group: np.ndarray,
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    """Lower and upper bound of the score; (nan, nan) where fewer than two groups or no resamples are there.

    group: [rows] equal numbers belong together.
    """
    if not resamples or len(np.unique(group)) < 2:
        return float("nan"), float("nan")
    by_row = metric.rows(predictions, truth)
    if by_row is not None:
        counts = ~np.isnan(by_row)  # the other rows say nothing, so that they are no observations
        by_row, group = by_row[counts], group[counts]
    _, member = np.unique(group, return_inverse=True)
    groups = int(member.max()) + 1 if len(member) else 0
    if groups < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    if by_row is not None:
        score = float(by_row.mean())
        scores = means_of(by_row, member, groups=groups, resamples=resamples, generator=generator)
        alike = bool(np.isin(by_row, (0, 1)).all() and by_row.min() == by_row.max())
    else:
        score_of = scorer(metric, predictions, truth)
        score = score_of(np.arange(len(member)))
        scores = resampled(score_of, member=member, resamples=resamples, generator=generator)
        alike = bool(metric.better == "up" and score == 1 and (scores == 1).all())
    if alike:
        return _all_alike(bool(score), groups=groups, confidence=confidence)
    if np.isnan(scores).all():
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(scores, [tail, 1 - tail])
    # Resamples of what is never negative (a calibration error) lie above it: what was measured is within all the same.
    return float(np.fmin(low, score)), float(np.fmax(high, score))


def _all_alike(right: bool, *, groups: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval for a share of 1 or 0."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    reach = z**2 / (groups + z**2)
    return (1 - reach, 1.0) if right else (0.0, reach)


def means_of(
    by_row: np.ndarray, member: np.ndarray, *, groups: int, resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """The mean over rows of so many samples of groups: it needs only each group's sum and size.

    member: [rows] the number of each row's group, from 0 without a gap. Some samples at a time: all of them, of a
    hundred thousand groups, would fill more than a gigabyte.
    """
    sums, sizes = np.bincount(member, by_row, groups), np.bincount(member, minlength=groups).astype(float)
    share, means = np.full(groups, 1 / groups), np.empty(resamples)
    step = max(16, DRAWN // groups // 16 * 16)  # of whole blocks: BLAS then rounds as it does over all of them
    for start in range(0, resamples, step):
        draws = generator.multinomial(groups, share, size=min(step, resamples - start)).astype(float)
        means[start : start + step] = (draws @ sums) / (draws @ sizes)
    return means


def scorer(metric: Metric, predictions: Table, truth: Table) -> Callable[[np.ndarray], float]:
    """Numbers of rows -> the score of those alone; what is costly is done once, here."""
    digest = metric.digest(predictions, truth)
    if digest is None:
        return lambda rows: metric(pick(predictions, rows), pick(truth, rows))
    return lambda rows: metric.of(pick(digest, rows))


def resampled(
    score_of: Callable[[np.ndarray], float], *, member: np.ndarray, resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """The score of so many samples of groups. member: [rows] the number of each row's group, from 0 without a gap."""
    order = np.argsort(member, kind="stable")
    sizes = np.bincount(member)
    starts = np.cumsum(sizes) - sizes
    scores = np.empty(resamples)
    for n in range(resamples):
        drawn = generator.integers(len(sizes), size=len(sizes))
        counts = sizes[drawn]
        # Where each group's rows begin among those drawn, so that the n-th of them is the n-th after its start.
        places = np.arange(counts.sum()) + np.repeat(starts[drawn] - np.cumsum(counts) + counts, counts)
        scores[n] = score_of(order[places])
    return scores
