"""params.yaml with some keys changed, as `mm compose` would write it; the trials of a search are made so."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmcore.config.compose import agreed
from mmcore.config.derive import derive, origin_of
from mmcore.config.overrides import Choice, apply
from mmcore.config.parts import Shelf
from mmcore.config.sections import checked
from mmcore.registry.plugins import Plugins


class Changes:
    """Changes one params.yaml again and again; what plugins ship and where their code lies is looked up once."""

    def __init__(self, values: Mapping[str, Any], *, root: Path, plugins: Plugins) -> None:
        """values: every section of params.yaml."""
        self._values, self._root, self._plugins = values, root, plugins
        self._shelf = Shelf(root, plugins)
        self._origin = cache(origin_of)

    def __call__(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Every section, with each change made in order; a plugin may be given as a word or with settings.

        No plugin is imported. Raises ConfigError or PluginError as `compose` does.
        """
        choices = [Choice(f"{key}={value}", key, "", value) for key, value in changes.items()]
        full = apply(self._values, choices, self._shelf)
        return agreed(checked(derive(full, root=self._root, plugins=self._plugins, origin=self._origin)))


def changed(values: Mapping[str, Any], changes: Mapping[str, Any], *, root: Path, plugins: Plugins) -> dict[str, Any]:
    """The same, once."""
    return Changes(values, root=root, plugins=plugins)(changes)
