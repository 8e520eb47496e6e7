"""What the flat metrics.json says, put together again: one score with its interval, floors and losses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Better = Literal["up", "down"]


@dataclass(frozen=True)
class Value:
    """A number with its confidence interval, where one was computed."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Score:
    """One metric of one task."""

    task: str
    metric: str
    better: Better
    value: Value
    share: bool = False
    """Of 1, as the metric says of itself: it reads as percent."""
    floors: Mapping[str, Value] = field(default_factory=dict)
    """`majority` or the name of a field -> what can be had without the model."""
    without: Mapping[str, Value] = field(default_factory=dict)
    """A field -> the model's score where that field is taken away."""
    slices: Mapping[str, Value] = field(default_factory=dict)
    """`column=value` -> the score over those rows."""
    under: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """`field: kind` of damage -> strength -> the score under it."""

    @property
    def best_floor(self) -> tuple[str, Value] | None:
        """The floor that is hardest to beat."""
        known = {name: floor for name, floor in self.floors.items() if floor.value == floor.value}
        if not known:
            return None
        sign = 1 if self.better == "up" else -1
        name = max(sorted(known), key=lambda name: sign * known[name].value)
        return name, known[name]

    @property
    def beats_floors(self) -> bool | None:
        """True where the whole interval lies beyond every floor, False where the score itself does not; else None."""
        if self.best_floor is None or self.value.value != self.value.value:
            return None
        sign = 1 if self.better == "up" else -1
        bar = sign * self.best_floor[1].value
        near = self.value.low if sign > 0 else self.value.high
        if sign * self.value.value <= bar:
            return False
        return True if near is not None and sign * near > bar else None


def scores_of(metrics: Mapping[str, object], judged: Mapping[str, Mapping[str, Better]]) -> list[Score]:
    """The scores that metrics.json holds, the metric that a task is judged by first.

    judged: task -> its metrics in their order, with the direction that is better. Keys of other metrics are left out.
    """
    numbers = {key: float(value) for key, value in metrics.items() if isinstance(value, int | float)}
    found = metrics.get("shares")
    shares = found if isinstance(found, list) else []
    return [
        Score(
            task,
            metric,
            better,
            _value(numbers, f"{task}/{metric}"),
            share=f"{task}/{metric}" in shares,
            floors=_under(numbers, f"{task}/{metric}/floor/"),
            without=_under(numbers, f"{task}/{metric}/without/"),
            slices=_under(numbers, f"{task}/{metric}/slice/"),
            under=_damage(numbers, f"{task}/{metric}/under/"),
        )
        for task, metrics_of_task in judged.items()
        for metric, better in metrics_of_task.items()
        if f"{task}/{metric}" in numbers
    ]


def _value(numbers: Mapping[str, float], key: str) -> Value:
    return Value(numbers[key], numbers.get(f"{key}/low"), numbers.get(f"{key}/high"))


def _under(numbers: Mapping[str, float], start: str) -> dict[str, Value]:
    names = [key.removeprefix(start) for key in sorted(numbers) if key.startswith(start)]
    whole = set(names)
    parts = {name for name in names if name.endswith(("/low", "/high")) and name.rsplit("/", 1)[0] in whole}
    return {name: _value(numbers, start + name) for name in names if name not in parts}


def _damage(numbers: Mapping[str, float], start: str) -> dict[str, dict[float, float]]:
    found = dict[str, dict[float, float]]()
    for key in sorted(numbers):
        if key.startswith(start):
            name, kind, strength = key.removeprefix(start).rsplit("/", 2)
            found.setdefault(f"{name}: {kind}", {})[float(strength)] = numbers[key]
    return found
