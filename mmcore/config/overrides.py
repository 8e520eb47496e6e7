"""Choices from the command line, `KEY=VALUE`, applied to the tree of settings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mmcore.config.parts import Shelf, complete
from mmcore.errors import ConfigError, listing, near_miss
from mmcore.registry.plugins import GROUPS

BY_PART = ("training.lr_of", "training.layer_decay", "training.thaw", "training.freeze")
"""Mappings by the start of parameters' names (`encoders.text`), which no dotted key reaches."""


@dataclass(frozen=True)
class Choice:
    """One `KEY=VALUE`, `+KEY=VALUE` or `~KEY`."""

    text: str
    """As it was given."""
    key: str
    """Dotted; `encoder@fields.image.encoder` is read as the place that it names."""
    sign: str
    """`` changes what is there, `+` adds, `++` does either, `~` takes away."""
    value: Any


def parse(texts: Sequence[str]) -> list[Choice]:
    """Raises ConfigError that shows the first text that is no KEY=VALUE."""
    return [_choice(text) for text in texts]


def accumulate(former: Sequence[str], given: Sequence[str]) -> list[str]:
    """The choices in force after `given` were added to `former`.

    A choice drops the earlier ones at its key or below it; an experiment is where everything starts, and drops all.
    """
    if any(choice.key == "experiment" for choice in parse(given)):
        former = []
    kept = parse(former)
    for choice in parse(given):
        dropped = [other for other in kept if other.key == choice.key or other.key.startswith(f"{choice.key}.")]
        kept = [other for other in kept if other not in dropped]
        added_before = any(other.key == choice.key and other.sign == "+" for other in dropped)
        if choice.sign == "~" and added_before:
            continue
        if choice.sign == "" and added_before:
            choice = _choice(f"+{choice.text}")
        kept.append(choice)
    return [choice.text for choice in kept]


def apply(tree: Mapping[str, Any], choices: Sequence[Choice], shelf: Shelf) -> dict[str, Any]:
    """The completed tree with every choice applied, one after another."""
    full = complete(tree, shelf, strict=False)
    for choice in choices:
        *steps, last = choice.key.split(".")
        _change(_parent(full, steps, choice), last, choice)
        if choice.sign or isinstance(choice.value, str | Mapping):  # else it brings no keys that a later one may name
            full = complete(full, shelf, strict=False)
    return complete(full, shelf)


def _choice(text: str) -> Choice:
    letters = _Letters(text)
    try:
        (override,) = OverridesParser.create().parse_overrides([letters.ascii])
        value = letters.back(override.value())
    except (HydraException, ValueError) as error:
        raise ConfigError(
            f"{text!r} is no choice. Say KEY=VALUE (training.epochs=5, fusion=film), +KEY=VALUE to add, ~KEY to take "
            "away; put quotes round spaces, commas and braces."
        ) from error
    if override.is_sweep_override():
        raise ConfigError(f"{text!r} gives several values. Give one; a list stands in brackets: [32,64].")
    return Choice(text, letters.back(_key(override)), _sign(override), value)


class _Letters:
    """Letters beyond ASCII, none of which Hydra's grammar knows, as names that it takes for letters."""

    def __init__(self, text: str) -> None:
        self._mark = "Zx"
        while self._mark in text:
            self._mark += "x"
        self.ascii = "".join(one if one.isascii() else f"{self._mark}{ord(one):06X}" for one in text)

    def back(self, value: Any) -> Any:
        """What Hydra made of the names, with the letters, wherever they stand."""
        if isinstance(value, Mapping):
            return {self.back(name): self.back(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.back(one) for one in value]
        if not isinstance(value, str):
            return value
        return re.sub(f"{self._mark}([0-9A-F]{{6}})", lambda found: chr(int(found[1], 16)), value)


def _key(override: Override) -> str:
    """`encoder@fields.image.encoder=timm` is Hydra's way to say `fields.image.encoder=timm`."""
    if override.package is not None and override.key_or_group in GROUPS:
        return str(override.package)
    return str(override.key_or_group)


def _sign(override: Override) -> str:
    if override.is_delete():
        return "~"
    if override.is_force_add():
        return "++"
    return "+" if override.is_add() else ""


def _parent(tree: dict[str, Any], steps: Sequence[str], choice: Choice) -> dict[str, Any]:
    """The mapping that a choice changes; with `+` those on the way are made, where a dot can only mean that."""
    place: dict[str, Any] = tree
    for number, step in enumerate(steps):
        if step not in place and choice.sign in ("+", "++") and ".".join(steps[:number]) not in BY_PART:
            place[step] = {}
        if step not in place:
            _refuse(place, step, choice, steps[:number])
        if not isinstance(place[step], dict):
            where = ".".join(steps[: number + 1])
            raise ConfigError(f"{choice.text!r}: {where} is {place[step]!r} and has nothing below it.")
        place = place[step]
    return place


def _change(parent: dict[str, Any], name: str, choice: Choice) -> None:
    where = choice.key.split(".")[:-1]
    if choice.sign == "~":
        if name not in parent:
            _refuse(parent, name, choice, where)
        del parent[name]
        return
    if choice.sign == "" and name not in parent:
        _refuse(parent, name, choice, where)
    if choice.sign == "+" and name in parent:
        raise ConfigError(f"{choice.text!r}: {choice.key} is there already. Leave out the +.")
    parent[name] = _merged(parent.get(name), choice.value) if _keeps_keys(choice) else choice.value


def _keeps_keys(choice: Choice) -> bool:
    """A mapping changes the keys it names, but replaces a choice of plugin, and what the user names himself."""
    if not isinstance(choice.value, Mapping):
        return False
    return "name" not in choice.value and choice.key not in ("fields", "tasks", "training.lr_of")


def _merged(former: Any, given: Any) -> Any:
    if not isinstance(former, Mapping) or not isinstance(given, Mapping) or "name" in given:
        return given
    return {**former, **{name: _merged(former.get(name), value) for name, value in given.items()}}


def _refuse(place: Mapping[str, Any], step: str, choice: Choice, above: Sequence[str]) -> None:
    where = ".".join(above)
    inside = f"In {where}" if where else "At the top"
    raise ConfigError(
        f"{choice.text!r}: there is no {'.'.join([*above, step])!r}.{near_miss(step, place)} "
        f"{inside} there is: {listing(place)}.{_how_to_add(place, choice, where)}"
    )


def _how_to_add(place: Mapping[str, Any], choice: Choice, where: str) -> str:
    """Where a user may name things himself, the choice that names one more; else nothing."""
    _, given, value = choice.text.partition("=")
    if given and where in ("fields", "tasks"):
        return f" To add one: +{choice.text}"
    if given and where in BY_PART:
        parts = {**place, choice.key.removeprefix(f"{where}."): value}
        named = ", ".join(f"{name}: {factor}" for name, factor in parts.items())
        return f" To add one: '{where}={{{named}}}'"
    return ""


def walk(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that holds a value, dotted, with its value; an empty mapping is a value."""
    if isinstance(tree, Mapping) and tree:
        for name, value in tree.items():
            yield from walk(value, f"{above}.{name}" if above else str(name))
    else:
        yield above, tree
