"""What is wrong with a params.yaml: types and ranges, and whether its parts agree. Imports the plugins it names."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcore.config.agree import disagreements, strange, stray_tolerances
from mmcore.config.derive import derive
from mmcore.config.document import differences
from mmcore.config.fields import FieldSettings
from mmcore.config.params import Params
from mmcore.config.sections import SECTIONS
from mmcore.config.tasks import check_weights
from mmcore.config.update import edits, read_current
from mmcore.errors import ConfigError, MmcoreError, listing, near_miss
from mmcore.interfaces.settings import FieldName, PluginOf
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import Part, Setting, settings_of

FOLLOWS = {
    "fields": ("the fields and the files that they name", {"fit", "modality_files", "encoder_files"}),
    "repeats": ("repeats.seeds, repeats.folds, repeats.stratify and training.seed", {"runs", "summary"}),
    "pretrain": ("pretrain.training and training", {"runs", "start"}),
}
"""Sections with keys that nobody chooses: what those follow from, and how they are called."""


@dataclass(frozen=True)
class Checked:
    """What `mm compose --check` found."""

    faults: tuple[str, ...]
    edits: Mapping[str, tuple[Any, Any]]
    """Dotted key -> (in conf/, in params.yaml)."""


def check(root: Path, *, plugins: Plugins) -> Checked:
    """Every fault of params.yaml, and where it differs from what its choices give now.

    Raises ConfigError where there is no params.yaml, or it is no YAML.
    """
    if not (root / "params.yaml").exists():
        raise ConfigError("There is no params.yaml here. Run `mm compose` to write it.")
    current = read_current(root / "params.yaml")
    faults = list(faults_of(current.values, plugins))
    faults += [] if faults else stale(current.values, root, plugins)
    try:
        return Checked(tuple(faults), edits(current, root, plugins=plugins))
    except MmcoreError as error:
        return Checked((*faults, f"its choices cannot be composed any more: {error}"), {})


def stale(values: Mapping[str, Any], root: Path, plugins: Plugins) -> Iterator[str]:
    """What follows from other keys and does not any more, since those were changed by hand."""
    derived = derive(values, root=root, plugins=plugins)
    for section, (sources, names) in FOLLOWS.items():
        for key in differences({section: derived[section]}, {section: values[section]}):
            if not names.isdisjoint(key.split(".")) and "packages" not in key.split("."):
                yield f"{key} is not what {sources} give. Run `mm compose`, with what you changed by hand as KEY=VALUE."


def faults_of(values: Mapping[str, Any], plugins: Plugins, *, together: bool = True) -> Iterator[str]:
    """Every fault, each as one message. together: False: none of those that a part finds with its settings together."""
    sections = dict[str, Any]()
    for name, kind in SECTIONS.items():
        yield from _fault(
            lambda name, kind: sections.update({name: Params(values, [name]).get(name, kind)}), name, kind
        )
    for name in values:
        if name not in SECTIONS:
            yield f"{name!r} is no section.{near_miss(str(name), SECTIONS)} There is: {listing(SECTIONS)}."
    if len(sections) < len(SECTIONS):
        return
    fields: Mapping[str, FieldSettings] = sections["fields"]
    yield from _fault(check_weights, sections["tasks"])
    yield from disagreements(fields, sections["tasks"], monitor=sections["training"].monitor)
    yield from stray_tolerances(sections["verdict"].tolerances, sections["tasks"])
    for part, kind, where in _parts(sections):
        faults = list(_fault(plugins.kind(kind).check, part, where=where, together=together))
        yield from faults
        if not faults and where != "floors.fusion":  # that one is built for one field at a time
            found = plugins.kind(kind).load(part.name)
            yield from _name_faults(part, settings_of(found), where=where, fields=fields)
            yield from _name_faults_within(part, kind, where=where, fields=fields, plugins=plugins)
            if kind == "encoder":
                yield from _consumer_fault(found.consumes, part, where=where, fields=fields, plugins=plugins)


def _fault(step: Callable[..., object], *args: Any, **settings: Any) -> Iterator[str]:
    """The message of what `step` raises; nothing where it does not."""
    try:
        step(*args, **settings)
    except MmcoreError as error:
        yield str(error)


def _parts(sections: Mapping[str, Any]) -> Iterator[tuple[Part, str, str]]:
    """Every choice of a plugin: the part as its constructor takes it, its kind, and its key."""
    yield sections["data"].source, "source", "data.source"
    for name, field in sections["fields"].items():
        yield field.modality, "modality", f"fields.{name}.modality"
        if field.encoder is not None:
            yield field.encoder, "encoder", f"fields.{name}.encoder"
    yield sections["fusion"], "fusion", "fusion"
    if sections["floors"].fusion is not None:
        yield sections["floors"].fusion, "fusion", "floors.fusion"
    for name, part in sections["tasks"].items():
        settings = {key: value for key, value in part.settings.items() if key != "weight"}
        yield Part(part.name, settings), "task", f"tasks.{name}"


def _consumer_fault(
    consumes: str, part: Part, *, where: str, fields: Mapping[str, FieldSettings], plugins: Plugins
) -> Iterator[str]:
    """An encoder of another modality than the field's."""
    modality = fields[where.split(".")[1]].modality.name
    if consumes == modality:
        return
    with suppress(MmcoreError):  # a modality that is not there has been told of
        if consumes != getattr(plugins.modality.load(modality), "passes_for", None):
            yield strange(part, where, reads=consumes, modality=modality)


def _name_faults_within(
    part: Part, kind: str, *, where: str, fields: Mapping[str, FieldSettings], plugins: Plugins
) -> Iterator[str]:
    """The same for the parts that its settings choose, as far as those name fields of the model."""
    for key, setting in settings_of(plugins.kind(kind).load(part.name)).items():
        mark = next((item for item in setting.metadata if isinstance(item, PluginOf)), None)
        value = part.settings.get(key)
        if mark is not None and mark.among_fields and value is not None:
            inner, place = Part.from_yaml(value, f"{where}.{key}"), f"{where}.{key}"
            found = plugins.kind(mark.plugin_kind).load(inner.name)
            yield from _name_faults(inner, settings_of(found), where=place, fields=fields)
            yield from _name_faults_within(inner, mark.plugin_kind, where=place, fields=fields, plugins=plugins)


def _name_faults(
    part: Part, known: Mapping[str, Setting], *, where: str, fields: Mapping[str, FieldSettings]
) -> Iterator[str]:
    """Settings that name a field which is not there, or has no encoder where one is needed."""
    encoded = [name for name, field in fields.items() if field.encoder is not None]
    for key, setting in known.items():
        value = part.settings.get(key, setting.default)
        for mark in (item for item in setting.metadata if isinstance(item, FieldName)):
            there, what = (encoded, "field with an encoder") if mark.encoded else (list(fields), "field")
            for name in [value] if isinstance(value, str) else value or []:
                if name not in there:
                    hint = near_miss(str(name), there)
                    yield f"{where}.{key} names {name!r}, which is no {what}.{hint} There is: {listing(there)}."
