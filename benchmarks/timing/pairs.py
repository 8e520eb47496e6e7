"""Two ways to do the same work, in turns: a row of the table."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

Work = Callable[[], object]


def timed(work: Work) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(ours: Work, reference: Work, *, turns: int) -> tuple[list[float], list[float]]:
    """Seconds of each turn, A B A B; the first of each is not counted: it fills caches."""
    ours(), reference()
    pairs = [(timed(ours), timed(reference)) for _ in range(turns)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def row(
    what: str, ours: Sequence[float], reference: Sequence[float], *, goal: float, unit: str = "s", scale: float = 1.0
) -> dict[str, Any]:
    """How many times as fast ours is: the median of the turns' ratios.

    spread: the 95 % interval of that median, from resampled turns; a goal is met when the interval reaches it. scale:
    what the seconds that are shown are multiplied by.
    """
    ratios = [theirs / mine for mine, theirs in zip(ours, reference, strict=True)]
    low, high = interval(ratios)
    return {
        "what": what,
        "ours": rounded(scale * statistics.median(ours)),
        "reference": rounded(scale * statistics.median(reference)),
        "unit": unit,
        "ratio": rounded(statistics.median(ratios)),
        "spread": [rounded(low), rounded(high)],
        "goal": goal,
        "met": high >= goal,
    }


def not_measured(what: str, *, goal: float | None, why: str) -> dict[str, Any]:
    """A row without numbers, with the reason."""
    blank = {"ours": None, "reference": None, "unit": "", "ratio": None, "spread": None, "goal": goal, "met": None}
    return {"what": what, **blank, "why": why}


def interval(values: Sequence[float], *, resamples: int = 1000) -> tuple[float, float]:
    """The middle 95 % of the medians of resampled values."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(resamples))
    return medians[int(0.025 * resamples)], medians[int(0.975 * resamples) - 1]


def rounded(value: float) -> float:
    """Three digits that count."""
    return float(f"{value:.3g}")
