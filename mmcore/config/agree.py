"""Whether the parts of params.yaml agree with each other, as far as that can be told without importing a plugin."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from mmcore.config.fields import FieldSettings
from mmcore.errors import listing, near_miss
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


def stray_tolerances(names: Iterable[str], tasks: Collection[str]) -> Iterator[str]:
    """Of `verdict.tolerances`. Which scores a task has is not known before a model is built."""
    for name in names:
        task, _, metric = name.partition("/")
        if task not in tasks or not metric:
            hint = near_miss(task, tasks)
            yield f"verdict.tolerances must name TASK/METRIC but names {name!r}.{hint} Tasks: {listing(tasks)}."
