"""What `mm search` was asked: a file of conf/search/, settings from the command line, and the project around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mmcore.config.changes import Changes
from mmcore.config.compose import compose
from mmcore.config.params import read_yaml
from mmcore.config.update import read_current
from mmcore.errors import ConfigError, listing, near_miss
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import coerce, settings_of
from mmcore.search.settings import SearchSettings

GROUP = "search"


@dataclass(frozen=True)
class SearchProject:
    """A project and what to look for in it."""

    root: Path
    values: Mapping[str, Any]
    choices: tuple[str, ...]
    settings: SearchSettings
    space_name: str | None
    plugins: Plugins

    def settle(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """params.yaml in full with these changes. Raises ConfigError."""
        return self._changes(changes)

    @cached_property
    def _changes(self) -> Changes:
        return Changes(self.values, root=self.root, plugins=self.plugins)

    def compose(self, choices: Sequence[str]) -> dict[str, Any]:
        """What `mm compose` would write for these choices."""
        return compose(self.root, choices, plugins=self.plugins)


def read_search(root: Path, words: Sequence[str], *, plugins: Plugins) -> SearchProject:
    """words: the name of a file of conf/search/, KEY=VALUE, or both.

    Raises ConfigError for a file, a key or a value that is not there or not right.
    """
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise ConfigError(f"One space at a time, but {listing(names)} were named. Settings are KEY=VALUE: trials=20.")
    current = read_current(root / "params.yaml")
    if not current.values:
        raise ConfigError("There is no params.yaml here, which says what to search from. Run `mm compose`.")
    given = _file(root, names[0]) if names else {}
    for word in words:
        if "=" in word:
            key, _, text = word.partition("=")
            _put(given, key, _parsed(text, word))
    known = settings_of(SearchSettings)
    for key in given:
        if key not in known:
            raise ConfigError(f"A search has no {key!r}.{near_miss(key, known)} It has: {listing(known)}.")
    settings = coerce(given, SearchSettings, GROUP)
    return SearchProject(root, current.values, current.choices, settings, names[0] if names else None, plugins)


def _file(root: Path, name: str) -> dict[str, Any]:
    folder = root / "conf" / GROUP
    if not (folder / f"{name}.yaml").is_file():
        there = sorted(path.stem for path in folder.glob("*.yaml"))
        raise ConfigError(
            f"There is no conf/{GROUP}/{name}.yaml.{near_miss(name, there)} There is: {listing(there)}. Without a "
            "name, the ranges that the chosen plugins declare are searched."
        )
    return read_yaml(folder / f"{name}.yaml")


def _put(given: dict[str, Any], key: str, value: Any) -> None:
    """A setting; `space.training.lr={..}` adds to the space."""
    if key.startswith("space."):
        given["space"] = {**given.get("space", {}), key.removeprefix("space."): value}
    else:
        given[key] = value


def _parsed(text: str, word: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{word!r}: the value is not readable as YAML: {error}") from error
