"""params.yaml with some keys changed, as `mm compose` would write it; the trials of a search are made so."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcore.config.compose import agreed
from mmcore.config.derive import derive
from mmcore.config.overrides import Choice, apply
from mmcore.config.parts import Shelf
from mmcore.config.sections import checked
from mmcore.registry.plugins import Plugins


def changed(values: Mapping[str, Any], changes: Mapping[str, Any], *, root: Path, plugins: Plugins) -> dict[str, Any]:
    """Every section, with each change made in order; a plugin may be given as a word or with settings.

    values: every section of params.yaml. No plugin is imported. Raises ConfigError or PluginError as `compose` does.
    """
    shelf = Shelf(root, plugins)
    choices = [Choice(f"{key}={value}", key, "", value) for key, value in changes.items()]
    return agreed(checked(derive(apply(values, choices, shelf), root=root, plugins=plugins)))
