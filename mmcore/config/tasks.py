"""What the core itself reads of a task: its weight in the sum of losses."""

from collections.abc import Mapping
from typing import Annotated

from mmcore.interfaces.settings import Range
from mmcore.registry.settings import Part, coerce

WEIGHT = "weight"


def weight_of(name: str, part: Part) -> float:
    """How much the losses of a task count; 0: it is judged and teaches nothing.

    name: the task's, for what is told. Raises ConfigError where it is no number from 0 on.
    """
    found: float = coerce(part.settings.get(WEIGHT, 1.0), Annotated[float, Range(0, 1e9)], f"tasks.{name}.{WEIGHT}")
    return found


def check_weights(tasks: Mapping[str, Part]) -> None:
    """Raise ConfigError at the first task whose weight is no number from 0 on."""
    for name, part in tasks.items():
        weight_of(name, part)
