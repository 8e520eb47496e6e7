"""What every plugin promises, whatever its kind: a YAML file that fits, an import that does no work."""

import random
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from inspect import isabstract
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import yaml

from mmcore.errors import ConfigError, listing
from mmcore.interfaces.connector import Connector
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.fusion import Fusion
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.source import Source
from mmcore.interfaces.task import Task
from mmcore.registry.origin import conf_of
from mmcore.registry.plugins import Plugins, installed
from mmcore.registry.settings import Part, check_settings, settings_of

INTERFACES: Mapping[str, type] = {
    "source": Source,
    "modality": Modality,
    "encoder": Encoder,
    "connector": Connector,
    "fusion": Fusion,
    "task": Task,
}
UNSET = "???"
"""In a shipped YAML: a setting that has no default."""
OF_THE_CORE = {"name", "weight"}
"""Keys that a part may have beside its settings."""
IMPORTS = 3
"""How often a plugin is imported anew: a thread of another library (a test server's, say) may draw beside one import; a
plugin that draws does so in each."""


class PluginContract:
    """What the contracts have in common. A subclass names its plugin and gives settings that make it small."""

    kind: ClassVar[str]
    name: ClassVar[str]
    """The entry point."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """For the instances that the tests build; small, so that the tests are quick."""

    def plugins(self) -> Plugins:
        """Where the plugin is looked up; what is installed."""
        return installed()

    def plugin(self) -> type[Any]:
        """The plugin's class."""
        return self.plugins().kind(self.kind).load(self.name)

    def part(self) -> Part:
        """The plugin and its settings as params.yaml would have them."""
        return Part(self.name, self.settings)

    def example(self, folder: Path) -> Mapping[str, Any]:
        """Settings that can be used; what they name is written under `folder`."""
        return self.settings

    def shipped(self) -> Mapping[str, Any]:
        """conf/KIND/NAME.yaml of the plugin's package."""
        folder = conf_of(self.plugins().kind(self.kind).point(self.name))
        file = Path() if folder is None else folder / self.kind / f"{self.name}.yaml"
        assert file.is_file(), (
            f"the package ships no conf/{self.kind}/{self.name}.yaml. `mm compose` finds the settings of a plugin "
            "there, without importing it. Does package-data in pyproject.toml name conf/**/*.yaml?"
        )
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert isinstance(found, dict), f"{file} must hold `name: {self.name}` and a line for each setting."
        return {str(key): value for key, value in found.items()}

    def test_the_class_keeps_its_interface(self) -> None:
        found, interface = self.plugin(), INTERFACES[self.kind]
        assert issubclass(found, interface), f"{found.__name__} is no {interface.__name__}; inherit from it."
        open_methods = sorted(getattr(found, "__abstractmethods__", ()))
        assert not isabstract(found), f"{found.__name__} does not define {', '.join(open_methods)}."

    def test_the_shipped_yaml_lists_exactly_the_settings(self) -> None:
        shipped, known = set(self.shipped()) - OF_THE_CORE, set(settings_of(self.plugin()))
        assert shipped == known, (
            f"conf/{self.kind}/{self.name}.yaml and the constructor's keyword-only arguments differ. "
            f"Only in the YAML: {listing(shipped - known)}. Only in the constructor: {listing(known - shipped)}."
        )

    def test_the_shipped_yaml_names_the_plugin(self) -> None:
        assert self.shipped().get("name") == self.name, (
            f"conf/{self.kind}/{self.name}.yaml must say `name: {self.name}`, as the entry point does."
        )

    def test_the_shipped_values_have_the_right_types(self, tmp_path: Path) -> None:
        example = self.example(tmp_path)
        values = {key: value for key, value in self.shipped().items() if key not in OF_THE_CORE}
        unset = [key for key, value in values.items() if value == UNSET and key not in example]
        assert not unset, f"{listing(unset)} has no default ({UNSET}): give the contract a value for it in `settings`."
        given = {key: example[key] if value == UNSET else value for key, value in values.items()}
        try:
            self.plugins().kind(self.kind).check(Part(self.name, given), where=self.name)
        except ConfigError as error:
            pytest.fail(f"conf/{self.kind}/{self.name}.yaml has a value that the constructor does not take: {error}")

    def test_inner_plugins_can_be_told_without_importing(self) -> None:
        shipped, plugins = self.shipped(), self.plugins()
        for key, setting in settings_of(self.plugin()).items():
            if setting.plugin_kind is not None and isinstance(shipped.get(key), Mapping):
                found = plugins.kind_within(self.kind, key, shipped[key])
                assert found == setting.plugin_kind, (
                    f"the setting {key!r} chooses a {setting.plugin_kind}, but `mm compose`, which imports none, takes "
                    f"it for {found or 'a plain value'}: call it {setting.plugin_kind!r}."
                )

    def test_every_setting_has_a_type(self) -> None:
        bare = [name for name, setting in settings_of(self.plugin()).items() if setting.annotation is Any]
        assert not bare, (
            f"{listing(bare)} of {self.plugin().__name__} without a type: params.yaml cannot be checked against it."
        )

    def test_unknown_settings_are_refused_by_name(self) -> None:
        with pytest.raises(ConfigError, match="no_such_setting"):
            check_settings(self.plugin(), {**self.settings, "no_such_setting": 1}, where=self.kind)

    def test_importing_does_no_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module = self.plugins().kind(self.kind).point(self.name).module
        import_module(module)  # its libraries are there now: what they do is not the plugin's fault
        monkeypatch.setattr(socket.socket, "connect", no_network)
        on_device = _on_device()
        drawn = [self._imported_anew(module) for _ in range(IMPORTS)]
        assert not all(drawn), (
            f"importing {module} draws random numbers. Names are imported to check settings: move work into __init__."
        )
        assert _on_device() == on_device, f"importing {module} starts the GPU: move that into __init__."

    def _imported_anew(self, module: str) -> bool:
        """Import the plugin as for the first time; True where a global generator has moved meanwhile."""
        before = _random_states()
        with _forgotten(module):
            import_module(module)
        return _random_states() != before


def no_network(*args: object) -> None:
    raise AssertionError(
        "a connection was opened. Importing and building do no work: what is fetched is fetched in warm_start."
    )


def _on_device() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _random_states() -> tuple[object, ...]:
    """The states of all global generators, comparable."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return random.getstate(), (name, np.asarray(keys).tobytes(), *rest), torch.get_rng_state().numpy().tobytes()


@contextmanager
def _forgotten(module: str) -> Iterator[None]:
    """Inside, Python has never imported the package that `module` belongs to; afterwards all is as before."""
    top = module if module.startswith("mmcore.") else module.split(".")[0]
    kept = {name: found for name, found in sys.modules.items() if name == top or name.startswith(f"{top}.")}
    for name in kept:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
            del sys.modules[name]
        sys.modules.update(kept)
        for name, found in kept.items():
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], child, found)
