"""The sections of params.yaml, and the defaults of every key that nobody set."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from mmcore.config.fields import FieldSettings
from mmcore.config.pretrain import PretrainSettings
from mmcore.config.repeats import RepeatsSettings
from mmcore.config.tasks import check_weights
from mmcore.data.settings import DataSettings
from mmcore.errors import ConfigError, listing, near_miss
from mmcore.evaluation.settings import EvaluationSettings, FloorSettings
from mmcore.model.settings import ModelSettings
from mmcore.registry.settings import MISSING, Part, coerce, settings_of
from mmcore.releases.settings import ReleaseSettings, VerdictSettings
from mmcore.report.settings import ReportSettings
from mmcore.training.settings import TrainingSettings

SECTIONS: Mapping[str, Any] = {
    "data": DataSettings,
    "fields": Mapping[str, FieldSettings],
    "fusion": Part,
    "tasks": Mapping[str, Part],
    "model": ModelSettings,
    "training": TrainingSettings,
    "pretrain": PretrainSettings,
    "floors": FloorSettings,
    "evaluation": EvaluationSettings,
    "repeats": RepeatsSettings,
    "report": ReportSettings,
    "verdict": VerdictSettings,
    "release": ReleaseSettings,
}
"""Key -> what it must be, in the order in which they are written. `compose` comes last and is no section."""


def with_defaults(given: Any, kind: Any) -> Any:
    """`given` with the defaults of a settings class wherever it says nothing, in the order of the class.

    What does not belong there stays, so that a check can name it.
    """
    if not isinstance(given, Mapping) or not is_dataclass(kind) or not isinstance(kind, type):
        return given
    full = dict[str, Any]()
    for name, setting in settings_of(kind).items():
        if name in given:
            full[name] = with_defaults(given[name], setting.annotation)
        elif setting.default is not MISSING:
            full[name] = plain(setting.default)
    return {**full, **{name: value for name, value in given.items() if name not in full}}


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The sections with every value of its type, as plain YAML. Raises ConfigError at the first that is wrong."""
    for name in values:
        if name not in SECTIONS:
            raise ConfigError(
                f"params.yaml has no section {name!r}.{near_miss(name, SECTIONS)} It has: {listing(SECTIONS)}."
            )
    made = {name: coerce(values.get(name), kind, name) for name, kind in SECTIONS.items()}
    check_weights(made["tasks"])
    return {name: plain(section) for name, section in made.items()}


def plain(value: Any) -> Any:
    """Settings as YAML has them: dataclasses become mappings, tuples become lists."""
    if isinstance(value, Part):
        return plain(value.to_yaml())
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
