"""Write params.yaml anew, without losing what a person changed in it."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcore.config.compose import compose
from mmcore.config.document import differences, digest, render
from mmcore.config.overrides import accumulate, parse
from mmcore.config.params import read_yaml
from mmcore.errors import ConfigError, MmcoreError
from mmcore.registry.plugins import Plugins

SHOWN = 20


@dataclass(frozen=True)
class Current:
    """params.yaml as it lies there."""

    values: Mapping[str, Any]
    choices: tuple[str, ...] = ()
    digest: str | None = None

    @property
    def edited(self) -> bool:
        """By hand, since it was composed."""
        return bool(self.values) and digest(self.values) != self.digest


@dataclass(frozen=True)
class Update:
    """What composing did, or would do."""

    choices: tuple[str, ...]
    changed: Mapping[str, tuple[Any, Any]] | None
    """Dotted key -> (before, now); None where there was no file before."""
    values: Mapping[str, Any]
    """All of it now."""


def read_current(path: Path) -> Current:
    """An absent file is an empty one. Raises ConfigError where it is not readable."""
    if not path.exists():
        return Current({})
    values = read_yaml(path)
    made = values.pop("compose", None)
    made = made if isinstance(made, Mapping) else {}
    choices = made.get("choices")
    return Current(values, tuple(map(str, choices if isinstance(choices, list) else [])), made.get("digest"))


def update(root: Path, given: Sequence[str], *, plugins: Plugins, force: bool = False) -> Update:
    """Compose params.yaml. The choices that made the present one stay in force; `experiment=..` starts anew.

    Raises ConfigError that lists, key by key, the edits by hand that would be lost; `force` overwrites them.
    """
    done, path = rehearse(root, given, plugins=plugins, force=force), root / "params.yaml"
    text = render(done.values, done.choices)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    return done


def rehearse(root: Path, given: Sequence[str], *, plugins: Plugins, force: bool = False) -> Update:
    """What `update` would do, which writes nothing here. Raises as it does."""
    path = root / "params.yaml"
    current = Current({}) if force and not _readable(path) else read_current(path)
    choices = accumulate(current.choices, given)
    values = compose(root, choices, plugins=plugins)
    if current.edited and not force:
        named = {choice.key for choice in parse(given)}
        _keep_edits(current, values, named=named, root=root, plugins=plugins)
    return Update(tuple(choices), differences(current.values, values) if current.values else None, values)


def edits(current: Current, root: Path, *, plugins: Plugins) -> dict[str, tuple[Any, Any]]:
    """How params.yaml differs from what its own choices give now: dotted key -> (in conf/, in params.yaml)."""
    return differences(compose(root, current.choices, plugins=plugins), current.values)


def _keep_edits(
    current: Current, values: Mapping[str, Any], *, named: Collection[str], root: Path, plugins: Plugins
) -> None:
    """Raises ConfigError for edits that are about to change; what was named just now is meant to."""
    would_change = differences(current.values, values)
    try:
        by_hand = edits(current, root, plugins=plugins)
    except MmcoreError:  # conf/ has moved on, and the old choices mean nothing any more: any key may be an edit
        by_hand = would_change
    lost = {key: pair for key, pair in would_change.items() if _touches(key, by_hand) and key not in named}
    if not lost:
        return
    lines = [f"  {key}: yours {yours!r}, would become {new!r}" for key, (yours, new) in list(lost.items())[:SHOWN]]
    if len(lost) > SHOWN:
        lines.append(f"  and {len(lost) - SHOWN} more")
    raise ConfigError(
        "params.yaml was edited by hand, and these edits would be lost:\n"
        + "\n".join(lines)
        + "\nTo keep one, name it as a choice (mm compose KEY=VALUE); to overwrite them, add --force."
    )


def _touches(key: str, keys: Mapping[str, Any]) -> bool:
    """Whether a key is one of `keys`, above one, or below one."""
    return any(key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in keys)


def _readable(path: Path) -> bool:
    try:
        read_current(path)
    except ConfigError:
        return False
    return True
