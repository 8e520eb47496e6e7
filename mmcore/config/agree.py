"""Whether the parts of params.yaml agree with each other, as far as that can be told without importing a plugin."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from mmcore.config.fields import FieldSettings
from mmcore.errors import listing, near_miss
from mmcore.registry.plugins import Plugins
from mmcore.registry.reading import constant_of
from mmcore.registry.settings import Part

RESERVED = ("id", "split", "group")
"""Columns of the manifest that no field may be named after."""
JOINT = "joint"
"""The stream that fusions add, which would stand in place of a field's own."""


def disagreements(fields: Mapping[str, FieldSettings], tasks: Mapping[str, Part], *, monitor: str) -> Iterator[str]:
    """Every fault, each as one message."""
    for name in fields:
        if name in RESERVED or not name or any(sign in name for sign in ":/."):
            yield f"a field cannot be called {name!r}: {listing(RESERVED)}, and names with ':', '/' or '.' are taken."
    if (taken := joint_taken(fields)) is not None:
        yield taken
    if not any(field.encoder for field in fields.values()):
        yield "no field has an encoder, so there is nothing to look at. Give one: fields.FIELD.encoder=.."
    for name, part in tasks.items():
        target = part.settings.get("target")
        if isinstance(target, str) and target not in fields:
            hint = near_miss(target, fields)
            yield f"tasks.{name}.target names {target!r}, which is no field.{hint} There is: {listing(fields)}."
    if not tasks:
        yield "there is no task, so there is nothing to learn. Give one: +tasks.NAME=classification"
    elif monitor.split("/")[0] not in tasks or "/" not in monitor:
        hint = near_miss(monitor.split("/")[0], tasks)
        yield f"training.monitor must be TASK/METRIC but is {monitor!r}.{hint} Tasks: {listing(tasks)}."


def joint_taken(fields: Mapping[str, FieldSettings]) -> str | None:
    """The fault of a field in whose place a stream of the fusion would stand."""
    if JOINT not in fields or not (fields[JOINT].encoder or fields[JOINT].like):
        return None
    return (
        f"a field with an encoder cannot be called {JOINT!r}: that is what all fields give together. Call it "
        f"otherwise, and give fields.NAME.column={JOINT}."
    )


def strange_encoders(fields: Mapping[str, FieldSettings], plugins: Plugins) -> Iterator[str]:
    """Encoders of another modality than their field's, as far as the plugins' text tells. Raises PluginError."""
    for name, field in fields.items():
        if field.encoder is not None:
            is_told, consumes = constant_of(plugins.encoder.point(field.encoder.name), "consumes")
            is_sure, passes_for = constant_of(plugins.modality.point(field.modality.name), "passes_for")
            if is_told and is_sure and consumes not in (None, field.modality.name, passes_for):
                yield strange(field.encoder, f"fields.{name}.encoder", reads=consumes, modality=field.modality.name)


def strange(encoder: Part, where: str, *, reads: str | None, modality: str) -> str:
    """The fault of an encoder that reads another modality."""
    return (
        f"{where}: {encoder.name!r} reads {reads!r}, but the field's modality is {modality!r}. Name two that fit: "
        f"{where.removesuffix('.encoder')}=MODALITY/ENCODER."
    )


def stray_tolerances(names: Iterable[str], tasks: Collection[str]) -> Iterator[str]:
    """Of `verdict.tolerances`. Which scores a task has is not known before a model is built."""
    for name in names:
        task, _, metric = name.partition("/")
        if task not in tasks or not metric:
            hint = near_miss(task, tasks)
            yield f"verdict.tolerances must name TASK/METRIC but names {name!r}.{hint} Tasks: {listing(tasks)}."
