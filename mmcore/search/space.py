"""The whole space: its settings in order, what they come to for one trial, and every point of a grid."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mmcore.search.dimensions import Dimension, Draw, Number, Options, Plain

MANY = 1_000_000
"""Points of a grid that are worth counting."""


@dataclass(frozen=True)
class Drawn:
    """One point of a space."""

    named: Mapping[str, Any]
    """Value by the dimension's name; a plugin is told by its own."""
    changes: Mapping[str, Any]
    """Value by key of params.yaml, in the order in which they are to be made."""


@dataclass(frozen=True)
class Space:
    """Dimensions; one that depends on another comes after it."""

    dimensions: tuple[Dimension, ...]
    base: Mapping[str, Any]
    """params.yaml as it stands, which says what is not searched."""

    def draw(self, draw: Draw) -> Drawn:
        """A point, each value taken from `draw`."""
        named, changes = dict[str, Any](), dict[str, Any]()
        for dimension in self.dimensions:
            if self._applies(dimension, changes):
                self._note(dimension, dimension.draw(draw, named), named, changes)
        return Drawn(named, changes)

    @property
    def present(self) -> Drawn | None:
        """The point that params.yaml is; None where it lies outside."""
        return None if self.outside() else self.draw(Replay(self, self._present))

    def outside(self) -> dict[str, Any]:
        """What of params.yaml lies outside, by key; a plugin is told by its name."""
        named, changes, found = dict[str, Any](), dict[str, Any](), dict[str, Any]()
        replay = Replay(self, self._present)
        for dimension in self.dimensions:
            if not self._applies(dimension, changes):
                continue
            try:
                self._note(dimension, dimension.draw(replay, named), named, changes)
            except (KeyError, Outside):
                found[dimension.key] = named[dimension.name] = self.value(dimension.key, {})
        return found

    def _present(self, dimension: Dimension) -> Any:
        found = find(self.base, dimension.key)
        return found.get("name") if dimension.parts is not None and isinstance(found, Mapping) else found

    def _note(self, dimension: Dimension, value: Any, named: dict[str, Any], changes: dict[str, Any]) -> None:
        named[dimension.name] = value
        changes[dimension.key] = dict(dimension.parts[value]) if dimension.parts is not None else value

    @property
    def conditional(self) -> bool:
        """Whether some setting is there in some trials alone."""
        return any(dimension.when or dimension.like for dimension in self.dimensions) or any(
            dimension.items is not None and not _fixed(dimension) for dimension in self.dimensions
        )

    @property
    def endless(self) -> list[str]:
        """Names of those that no grid can go through."""
        return [one.name for one in self.dimensions if not all(kind.finite for kind in one.simple)]

    def points(self) -> Iterator[Drawn]:
        """Every point of a finite space, in order."""
        path: list[int] | None = []
        while path is not None:
            walk = _Walk(path)
            yield self.draw(walk)
            path = walk.following()

    def size(self) -> int:
        """How many points a finite space has, counted up to MANY."""
        return sum(1 for _ in islice(self.points(), MANY))

    def described(self) -> dict[str, str]:
        """In words, by name: what the page shows, and what tells two spaces apart."""
        return {dimension.name: str(dimension) for dimension in self.dimensions}

    def value(self, key: str, changes: Mapping[str, Any]) -> Any:
        """What a key has with these changes; a plugin is told by its name."""
        found = changes[key] if key in changes else find(self.base, key)
        return found.get("name") if isinstance(found, Mapping) else found

    def _applies(self, dimension: Dimension, changes: Mapping[str, Any]) -> bool:
        return all(self.value(key, changes) in values for key, values in dimension.when)


def find(tree: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key. Raises KeyError where there is none."""
    found: Any = tree
    for step in key.split("."):
        if not isinstance(found, Mapping):
            raise KeyError(key)
        found = found[step]
    return found


def label_of(value: Any) -> Plain:
    """A value as a study can note it: itself, or its text."""
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value, sort_keys=True)


def _fixed(dimension: Dimension) -> bool:
    return isinstance(dimension.kind, Number) and dimension.kind.low == dimension.kind.high


class Outside(Exception):
    """A value that is not in the space."""


class Replay:
    """Draws what is known already."""

    def __init__(self, space: Space, value: Callable[[Dimension], Any]) -> None:
        """value: of a dimension, a list's items together. Raises KeyError where it has none."""
        self._dimensions = {dimension.name: dimension for dimension in space.dimensions}
        self._value = value

    def number(self, name: str, range_: Number) -> float:
        """Raises Outside where the value is none of the range's."""
        value = self._find(name)
        if value not in range_:
            raise Outside(name)
        return value if range_.whole else float(value)

    def choice(self, name: str, options: tuple[Plain, ...]) -> Any:
        """Raises KeyError where the value is none of the options."""
        owner = self._dimensions.get(name) or self._dimensions[name.rpartition(".")[0]]
        kind = owner.items if name not in self._dimensions and not name.endswith(".length") else owner.kind
        assert isinstance(kind, Options), f"{name} is a range"
        return kind.label(self._find(name))

    def _find(self, name: str) -> Any:
        if name in self._dimensions:
            return self._value(self._dimensions[name])
        owner, _, last = name.rpartition(".")
        items = self._value(self._dimensions[owner])
        return len(items) if last == "length" else items[int(last)]


class _Walk:
    """Draws by a path of positions, and notes how many there were at each turn."""

    def __init__(self, path: Sequence[int]) -> None:
        self._path, self._counts = list(path), list[int]()

    def number(self, name: str, range_: Number) -> float:
        items = range_.items()
        return items[self._turn(len(items))]

    def choice(self, name: str, options: tuple[Plain, ...]) -> Any:
        return options[self._turn(len(options))]

    def _turn(self, count: int) -> int:
        if len(self._counts) == len(self._path):
            self._path.append(0)
        self._counts.append(count)
        return self._path[len(self._counts) - 1]

    def following(self) -> list[int] | None:
        """The next path, the last turn moving first; None where this was the last one."""
        path = self._path[: len(self._counts)]
        while path:
            if path[-1] + 1 < self._counts[len(path) - 1]:
                return [*path[:-1], path[-1] + 1]
            path.pop()
        return None
