"""A range that a plugin declares for a setting, as a space in YAML has it."""

from math import gcd
from typing import Any

from mmcore.interfaces.settings import Range

FEW = 256
"""Steps of one size that a range is cut into; where it would take more, whole numbers are drawn by factors."""


def range_of(mark: Range, *values: Any) -> dict[str, Any] | None:
    """The range, which holds `values`: what the setting is, or the items of its list.

    But a 0 in a range by factors, which no step comes to. None where it has no end, or the setting is switched off.
    """
    if not values or any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return None
    high = mark.high if mark.soft_high is None else mark.soft_high
    if high == float("inf"):
        return None
    high = max(high, *values)
    least = mark.low if mark.soft_low is None else mark.soft_low
    low = min(least, *values)
    if isinstance(values[0], float):
        if mark.log and low <= 0:  # a step by factors never comes from 0
            low = min([least if least > 0 else high / 10_000, *(value for value in values if value > 0)])
        return {"low": float(low), "high": float(high), "log": mark.log}
    return _whole(int(low), int(high), values, log=mark.log, step=mark.step)


def _whole(low: int, high: int, values: tuple[int, ...], *, log: bool, step: int | None) -> dict[str, Any]:
    bounds = {"low": low, "high": high}
    if step is None and low > 0 and (log or high >= 32 * low):
        if all(value in {low << n for n in range(high.bit_length())} for value in values):
            return {**bounds, "factor": True}  # widths and heads that divide each other
        shared = gcd(low, *values)
        return {**bounds, "step": shared} if high // shared <= FEW else {**bounds, "log": True}
    return {**bounds, "step": gcd(step or max(1, (high - low) // 16), *(value - low for value in values))}
