"""What one setting may be: a number in a range, one of several values, a list of sizes, a plugin with ranges."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Plain: TypeAlias = bool | int | float | str | None


class Draw(Protocol):
    """Where values come from: a trial of Optuna, or the walk over a grid."""

    def number(self, name: str, range_: "Number") -> float:
        """A number inside the range."""
        ...

    def choice(self, name: str, options: tuple[Plain, ...]) -> Any:
        """One of the options."""
        ...


@dataclass(frozen=True)
class Number:
    """Both bounds are included."""

    low: float
    high: float
    whole: bool = False
    log: bool = False
    step: float | None = None
    factor: bool = False
    """Powers of two alone, from low on: widths that heads can divide."""

    @property
    def finite(self) -> bool:
        """Whether a grid can go through all of it."""
        return self.factor or self.step is not None or (self.whole and not self.log)

    def exponents(self) -> int:
        """With `factor`: how often low can be doubled."""
        return int(self.high // self.low).bit_length() - 1

    def items(self) -> list[float]:
        """All of a finite one, rising."""
        if self.factor:
            return [self.low * 2**n for n in range(self.exponents() + 1)]
        step = self.step or 1
        count = int((self.high - self.low) / step + 1e-9) + 1
        found = [self.low + n * step for n in range(count)]
        return [int(value) for value in found] if self.whole else found

    def draw(self, name: str, draw: Draw) -> float:
        return draw.number(name, self)

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return not self.finite or any(abs(value - item) < 1e-9 for item in self.items())

    def __str__(self) -> str:
        words = [f"{self.low:g} to {self.high:g}"]
        words += ["in powers of two"] if self.factor else []
        words += ["by factors"] if self.log else []
        words += [f"in steps of {self.step:g}"] if self.step else []
        return " ".join(words)


@dataclass(frozen=True)
class Options:
    """Plain values; a list or a mapping among them is told by its text."""

    values: Mapping[Plain, Any]
    """What the study notes -> what params.yaml gets."""

    @property
    def finite(self) -> bool:
        return True

    def draw(self, name: str, draw: Draw) -> Any:
        return self.values[draw.choice(name, tuple(self.values))]

    def label(self, value: object) -> Plain:
        """What the study notes for a value; raises KeyError where it is none of them."""
        for label, known in self.values.items():
            if known == value and isinstance(known, bool) is isinstance(value, bool):
                return label
        raise KeyError(value)

    def __contains__(self, value: object) -> bool:
        try:
            self.label(value)
        except KeyError:
            return False
        return True

    def __str__(self) -> str:
        return " | ".join(map(str, self.values))


Simple: TypeAlias = Number | Options


@dataclass(frozen=True)
class Dimension:
    """One setting that is searched."""

    name: str
    """In the study: `fusion[concat].width`, so that a setting of two plugins may have two ranges."""
    key: str
    """In params.yaml: `fusion.width`."""
    kind: Simple
    items: Simple | None = None
    """Where there are any, the setting is a list: `kind` is how long, `items` what each may be."""
    like: str | None = None
    """The name of another list that this one is as long as."""
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    """Keys and the values with which alone this setting is there."""
    parts: Mapping[str, Mapping[str, Any]] | None = None
    """Where there are any, the setting is a plugin: name -> the settings it begins with, `name` among them."""

    @property
    def simple(self) -> tuple[Simple, ...]:
        """Every range in it."""
        return (self.kind,) if self.items is None else (self.kind, self.items)

    def draw(self, draw: Draw, so_far: Mapping[str, Any]) -> Any:
        """A value; so_far: those of the dimensions before it, by name."""
        if self.items is None:
            return self.kind.draw(self.name, draw)
        length = len(so_far[self.like]) if self.like else int(self.kind.draw(f"{self.name}.length", draw))
        return [self.items.draw(f"{self.name}.{n}", draw) for n in range(length)]

    def __str__(self) -> str:
        own = str(self.kind) if self.items is None else f"{self.like or self.kind} of {self.items}"
        return own + "".join(f", where {key} is {' or '.join(map(str, values))}" for key, values in self.when)
