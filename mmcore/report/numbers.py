"""Numbers as people read them."""

import math

from mmcore.report.scores import Score, Value


def number(value: float, *, percent: bool = False) -> str:
    """`98.4 %` for a share, else three significant digits or all digits of a whole number."""
    if math.isnan(value):
        return "not defined"
    if percent:
        return f"{_hundredfold(value)} %"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"  # three digits of 999.9 would be 1e+03


def spread(value: Value, *, percent: bool = False) -> str:
    """`98.1 to 98.7 %`, or nothing where there is no interval."""
    if value.low is None or value.high is None:
        return ""
    if percent:
        return f"{_hundredfold(value.low)} to {_hundredfold(value.high)} %"
    return f"{number(value.low)} to {number(value.high)}"


def gap(score: Score, other: Value) -> str:
    """How far the score lies from another value, as `31.4 points` or `0.21`."""
    distance = abs(score.value.value - other.value)
    if not score.share:
        return number(distance)
    points = f"{100 * distance:.1f}"
    return f"{points} point" if points == "1.0" else f"{points} points"


def _hundredfold(share: float) -> str:
    """One digit after the point; two where 99.97 would be called 100, rounded down where they would be 100 as well."""
    text = f"{100 * share:.1f}"
    if text != "100.0" or share >= 1:
        return text
    finer = f"{100 * share:.2f}"
    return finer if finer != "100.00" else f"{math.floor(10_000 * share) / 100:.2f}"


def duration(seconds: float) -> str:
    """`3 min 12 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"
