"""The space where none was given: the ranges that the chosen plugins and the training declare for their settings."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from mmcore.interfaces.settings import Range
from mmcore.model.settings import ModelSettings
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import coerce, settings_of
from mmcore.search.ranges import range_of
from mmcore.training.settings import TrainingSettings

LEFT_OUT = {"training.epochs", "training.accumulate", "training.threads", "training.checkpoint_every_s"}
"""More epochs are never worse and cost more; the others are no part of how well a model can learn."""


def declared_space(values: Mapping[str, Any], *, plugins: Plugins) -> dict[str, Any]:
    """Every declared range of the encoders, the fusion and the tasks in params.yaml, of `model` and of `training`.

    Modalities are left out: what they are set to is prepared once for all trials. Imports the plugins.
    """
    found = dict[str, Any]()
    for name, field in sorted(values["fields"].items()):
        if field.get("encoder") and not field.get("like"):
            found |= declared_part(f"fields.{name}.encoder", field["encoder"], kind="encoder", plugins=plugins)
    found |= declared_part("fusion", values["fusion"], kind="fusion", plugins=plugins)
    for name, part in sorted(values["tasks"].items()):
        found |= declared_part(f"tasks.{name}", part, kind="task", plugins=plugins)
    for section, settings in (("model", ModelSettings), ("training", TrainingSettings)):
        found |= dict(_ranges(section, settings, values[section], plugins))
    return {key: spec for key, spec in found.items() if key not in LEFT_OUT}


def declared_part(key: str, part: Mapping[str, Any], *, kind: str, plugins: Plugins) -> dict[str, Any]:
    """Those of one part and of the parts that its settings choose."""
    return dict(_ranges(key, plugins.kind(kind).load(part["name"]), part, plugins))


def kind_at(key: str) -> str:
    """The kind of plugin that stands at a key of params.yaml."""
    steps = key.split(".")
    if steps[0] == "fields":
        return steps[2]
    return "task" if steps[0] == "tasks" else "fusion"


def _ranges(key: str, target: Any, given: Mapping[str, Any], plugins: Plugins) -> Iterator[tuple[str, Any]]:
    for name, setting in settings_of(target).items():
        value = given.get(name)
        if setting.plugin_kind and isinstance(value, Mapping):
            yield from declared_part(f"{key}.{name}", value, kind=setting.plugin_kind, plugins=plugins).items()
            continue
        mark = _range_in(setting.annotation)
        if mark is None or value is None:
            continue
        value = coerce(value, setting.annotation, f"{key}.{name}")  # a 0 may stand for 0.0
        if isinstance(value, list | tuple):
            # As long as it is: other lists of the same plugin may have to be as long.
            if (items := range_of(mark, *value)) is not None:
                yield f"{key}.{name}", {"length": len(value), **items}
        elif (spec := range_of(mark, value)) is not None:
            yield f"{key}.{name}", spec


def _range_in(annotation: Any) -> Range | None:
    """The mark of `Annotated[int, Range(..)]`, also inside `.. | None`."""
    if get_origin(annotation) is Annotated:
        return next((item for item in get_args(annotation)[1:] if isinstance(item, Range)), None)
    if get_origin(annotation) in (Union, UnionType):
        return next(filter(None, map(_range_in, get_args(annotation))), None)
    return None
