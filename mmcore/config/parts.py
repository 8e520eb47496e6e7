"""Choices of plugins, filled up: from `image/cnn` or `{name: cnn}` to every setting, without importing a plugin."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError, safe_load

from mmcore.config.fields import FieldSettings
from mmcore.config.sections import SECTIONS, with_defaults
from mmcore.errors import ConfigError, MmcoreError, listing, near_miss
from mmcore.registry.origin import conf_of
from mmcore.registry.plugins import GROUPS, Plugins

UNSET = "???"
"""A setting that has no default and was not given one."""

OF_THE_CORE = {"task": {"weight": 1.0}}
"""Settings of a part that the core takes out before the plugin is built, with their defaults."""


@dataclass(frozen=True)
class Shelf:
    """The folders of choices: the project's conf/ first, then every installed plugin's."""

    root: Path
    plugins: Plugins

    @cached_property
    def _read(self) -> dict[Path, dict[str, Any]]:
        """Files that were read already: a search fills up the same parts for each of its trials."""
        return {}

    def _load(self, file: Path) -> dict[str, Any]:
        if file not in self._read:
            self._read[file] = _load(file)
        return deepcopy(self._read[file])

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Each holds Hydra groups."""
        points = (point for kind in GROUPS for point in self.plugins.kind(kind).points())
        return tuple(dict.fromkeys([self.root / "conf", *filter(None, map(conf_of, points))]))

    def options(self, group: str) -> list[str]:
        """The files of a group, sorted, without their ending."""
        return sorted({path.stem for folder in self.folders for path in (folder / group).glob("*.yaml")})

    @cached_property
    def groups(self) -> list[str]:
        """Every group, nested ones with a slash, sorted."""
        found = set[str]()
        for folder in self.folders:
            found |= {path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")}
        return sorted(found - {".", "search"})  # those are for `mm search`

    def chosen(self, kind: str, word: str) -> dict[str, Any]:
        """What a bare word stands for: a file of the project's conf/, a plugin, or a file that some plugin ships."""
        names = self.plugins.kind(kind).names()
        for folder in self.folders:
            file = folder / kind / f"{word}.yaml"
            if file.is_file() and (word not in names or folder == self.folders[0]):
                return {"name": word, **self._load(file)}
        if word not in names:
            known = {*self.options(kind), *names}
            raise ConfigError(f"There is no {kind} {word!r}.{near_miss(word, known)} There is: {listing(known)}.")
        return {"name": word}

    def shipped(self, kind: str, name: str) -> dict[str, Any] | None:
        """Every setting of a plugin with its default, from its own package; None where it ships no file.

        Raises PluginError where no or more than one package has the plugin.
        """
        folder = conf_of(self.plugins.kind(kind).point(name))
        if folder is None or not (file := folder / kind / f"{name}.yaml").is_file():
            return None
        shipped = {**self._load(file), **OF_THE_CORE.get(kind, {})}
        # A plugin cannot know what the fields are called: a task's target is the user's to say.
        return {**shipped, "target": UNSET} if kind == "task" and "target" in shipped else shipped


def complete(tree: Mapping[str, Any], shelf: Shelf, *, strict: bool = True) -> dict[str, Any]:
    """Every section with every key, every part with every setting. Doing it twice changes nothing.

    strict: False leaves a part that cannot be completed as it is: a later choice may replace it.
    Raises ConfigError for a setting that a plugin does not have, PluginError for a plugin that is not there.
    """
    full = {name: tree.get(name, {}) for name in SECTIONS} | dict(tree)
    full["fields"] = {name: _field(name, value) for name, value in _each(full, "fields")}
    for name, kind in SECTIONS.items():
        full[name] = with_defaults(full[name], kind)
    full["data"] = _part_within(full["data"], "source", where="data", kind="source", shelf=shelf, strict=strict)
    full["floors"] = _part_within(full["floors"], "fusion", where="floors", kind="fusion", shelf=shelf, strict=strict)
    full["fusion"] = complete_part(full["fusion"], where="fusion", kind="fusion", shelf=shelf, strict=strict)
    for name, value in _each(full, "fields"):
        where = f"fields.{name}"
        with_modality = _part_within(value, "modality", where=where, kind="modality", shelf=shelf, strict=strict)
        full["fields"][name] = _part_within(
            with_modality, "encoder", where=where, kind="encoder", shelf=shelf, strict=strict
        )
    full["tasks"] = {
        name: _aimed(
            complete_part(value, where=f"tasks.{name}", kind="task", shelf=shelf, strict=strict), name, full["fields"]
        )
        for name, value in _each(full, "tasks")
    }
    return full


def complete_part(value: Any, *, where: str, kind: str, shelf: Shelf, strict: bool = True) -> Any:
    """One part with every setting; what is no part yet (nothing chosen) stays as it is."""
    try:
        if isinstance(value, str) and value.startswith("{"):
            value = _quoted(value, where)
        full = shelf.chosen(kind, value) if isinstance(value, str) and value != UNSET else value
        if not isinstance(full, Mapping) or not isinstance(full.get("name"), str) or full["name"] == UNSET:
            return full
        shipped = shelf.shipped(kind, full["name"])
    except MmcoreError:
        if strict:
            raise
        return value
    if shipped is None:
        return dict(full)
    unknown = [setting for setting in full if setting not in shipped]
    if unknown and strict:
        known, title = sorted(set(shipped) - {"name"}), f"{GROUPS[kind]} {full['name']!r}"
        hint = near_miss(str(unknown[0]), known)
        raise ConfigError(f"{where}: {title} takes no {unknown[0]!r}.{hint} It takes: {listing(known)}.")
    inside = dict[str, Any]()
    for key, value in {**shipped, **full}.items():
        choices = (shelf.plugins.kind_within(kind, key, item) for item in (shipped.get(key), value))
        inner = next(filter(None, choices), None)  # of which kind of plugin the setting is a choice, if of any
        inside[key] = value
        if inner is not None:
            inside[key] = complete_part(value, where=f"{where}.{key}", kind=inner, shelf=shelf, strict=strict)
    return inside


def _part_within(value: Any, key: str, *, where: str, kind: str, shelf: Shelf, strict: bool) -> Any:
    if not isinstance(value, Mapping) or key not in value:
        return value
    return {**value, key: complete_part(value[key], where=f"{where}.{key}", kind=kind, shelf=shelf, strict=strict)}


def _field(name: str, value: Any) -> Any:
    """A field in full; as a word it is `modality/encoder`, or `modality` alone for a target."""
    if isinstance(value, str):
        modality, _, encoder = value.partition("/")
        value = {"modality": modality, "encoder": encoder or None}
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"fields.{name} must say `modality/encoder` (image/cnn), `modality` alone (category) for a target, "
            f"or a mapping with more settings; but got {value!r}."
        )
    return with_defaults({"column": name, **value}, FieldSettings)


def _aimed(part: Any, name: str, fields: Mapping[str, Any]) -> Any:
    """A task without a target takes the field of its own name."""
    if isinstance(part, Mapping) and part.get("target") == UNSET and name in fields:
        return {**part, "target": name}
    return part


def _each(tree: Mapping[str, Any], section: str) -> Iterator[tuple[str, Any]]:
    value = tree[section]
    if not isinstance(value, Mapping):
        raise ConfigError(f"{section} must be a mapping of names to settings but got {value!r}.")
    return iter([(str(name), item) for name, item in value.items()])


def _quoted(text: str, where: str) -> Any:
    """A part in quotes: in a file of conf/ it takes the place of what the file before says; else the two are merged."""
    try:
        return safe_load(text)
    except YAMLError as error:
        raise ConfigError(f"{where} is {text!r}, which is not readable as YAML: {error}") from error


def _load(file: Path) -> dict[str, Any]:
    try:
        values = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not readable as YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file} must hold `name` and settings.")
    return {str(name): value for name, value in values.items()}
