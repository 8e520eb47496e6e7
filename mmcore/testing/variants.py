"""Other values that a setting may have, as far as its type tells: what contracts try beside the one that is given."""

from collections.abc import Sequence
from math import inf, isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from mmcore.interfaces.settings import Range

MOST = 2
"""Values of one setting: each costs a fit, and one that reads otherwise is enough."""


def other_values(annotation: Any, given: Any) -> list[Any]:
    """A few values that the annotation allows, but not `given`; none where it is no number, flag or choice."""
    return [value for value in _values(annotation, given, Range(-inf)) if value != given][:MOST]


def _values(annotation: Any, given: Any, bounds: Range) -> Sequence[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        narrowed = next((item for item in arguments[1:] if isinstance(item, Range)), bounds)
        return _values(arguments[0], given, narrowed)
    if origin in (Union, UnionType):
        return [value for option in reversed(arguments) for value in _values(option, given, bounds)]
    if origin is Literal:
        return arguments
    if annotation is bool:
        return [True, False]
    if annotation is NoneType:
        return [None]
    return _numbers(annotation, given, bounds) if annotation in (int, float) else []


def _numbers(kind: type[int] | type[float], given: Any, bounds: Range) -> list[int | float]:
    """Half the given one, the least, twice the given one, and 1: large ones would only be slow."""
    given = given if isinstance(given, int | float) else 0
    wanted = [given / 2, bounds.low, 2 * given, 1]
    found = [kind(value) for value in wanted if isfinite(value)]
    return [value for n, value in enumerate(found) if value not in found[:n] and bounds.fault(value) is None]
