"""Points of the space that a part declares: what a search without a space of its own would train."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmcore.registry.plugins import Plugins
from mmcore.search.declared import declared_part
from mmcore.search.dimensions import Number, Plain
from mmcore.search.reading import read_space
from mmcore.search.space import Space

KEY = "part"


def declared_points(
    kind: str, name: str, settings: Mapping[str, Any], *, count: int, plugins: Plugins
) -> Iterator[dict[str, Any]]:
    """Settings of a part, as a search would draw them around `settings`; none where it declares no range."""
    space = space_of(kind, name, settings, plugins=plugins)
    draw = _AtRandom(random.Random(0))
    for _ in range(count if space is not None else 0):
        assert space is not None, "counted"
        yield _changed(settings, space.draw(draw).changes)


def space_of(kind: str, name: str, settings: Mapping[str, Any], *, plugins: Plugins) -> Space | None:
    """The ranges that a part with these settings declares; None where there are none."""
    part = {"name": name, **settings}
    given = declared_part(KEY, part, kind=kind, plugins=plugins)
    if not given:
        return None
    return read_space(given, {KEY: part}, settle=lambda changes: {}, declared=lambda key, part: {})


@dataclass(frozen=True)
class _AtRandom:
    """Draws as Optuna's random sampler does."""

    chance: random.Random

    def number(self, name: str, range_: Number) -> float:
        if range_.finite:
            return self.chance.choice(range_.items())
        low, high = range_.low, range_.high
        found = math.exp(self.chance.uniform(math.log(low), math.log(high))) if range_.log else None
        found = self.chance.uniform(low, high) if found is None else found
        return round(found) if range_.whole else found

    def choice(self, name: str, options: tuple[Plain, ...]) -> Any:
        return self.chance.choice(options)


def _changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}
    for key, value in changes.items():
        *above, last = key.split(".")[1:]
        place = found
        for step in above:
            place[step] = dict(place[step])
            place = place[step]
        place[last] = value
    return found
