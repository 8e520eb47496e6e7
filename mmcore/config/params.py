"""params.yaml as the stages see it: only the keys that a stage declared, as frozen settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml

from mmcore.config.fields import FieldSettings
from mmcore.config.tasks import check_weights
from mmcore.errors import ConfigError, listing, near_miss
from mmcore.registry.settings import Part, coerce

T = TypeVar("T")

MENDING = "Run `mm compose` to write it anew."
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads what safe_load reads; eight times as fast where libyaml is compiled in."""


class Params:
    """The values of params.yaml, behind the keys that a stage declared.

    A key that was not declared cannot be read, even where it stands in the file: DVC would not run the stage again
    when it changes.
    """

    def __init__(self, values: Mapping[str, Any], keys: Sequence[str]) -> None:
        """values: the file's content. keys: dotted, `training` or `fields.image.modality`; all below them may be read.

        Raises ConfigError where a declared key is missing.
        """
        self.values = values
        self.keys = tuple(keys)
        for key in self.keys:
            look_up(values, key)

    def with_value(self, key: str, value: Any) -> "Params":
        """The same params with another value at a dotted key that is there."""
        look_up(self.values, key)
        return Params(_replaced(self.values, key.split("."), value), self.keys)

    @overload
    def get(self, key: str, kind: type[T]) -> T: ...
    @overload
    def get(self, key: str, kind: object) -> Any: ...
    def get(self, key: str, kind: object) -> Any:
        """The value of a declared key as `kind`: a frozen dataclass, Part, or any type that a setting may have.

        Raises ConfigError that names the key where it was not declared, is missing, or is of another kind.
        """
        if not any(key == declared or key.startswith(f"{declared}.") for declared in self.keys):
            raise ConfigError(
                f"{key!r} was asked of params.yaml but is not declared. Declared: {listing(self.keys)}. "
                "Add it to the stage's READS and to its `params` in dvc.yaml."
            )
        return coerce(look_up(self.values, key), kind, key)

    def fields(self) -> dict[str, FieldSettings]:
        """Every field by name, sorted."""
        found: Mapping[str, FieldSettings] = self.get("fields", Mapping[str, FieldSettings])
        return dict(sorted(found.items()))

    def tasks(self) -> dict[str, Part]:
        """Every task by name, sorted; `weight` is still among its settings. Raises ConfigError where it is none."""
        found: Mapping[str, Part] = self.get("tasks", Mapping[str, Part])
        check_weights(found)
        return dict(sorted(found.items()))


def load_params(path: Path, keys: Sequence[str]) -> Params:
    """The declared keys of a params.yaml. Raises ConfigError where the file or a key is missing."""
    return Params(read_yaml(path), keys)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping. Raises ConfigError that names the file and the line."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), YAML_LOADER)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no {path.name} in {path.parent.resolve()}. {MENDING}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not readable as YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values but holds {type(values).__name__}. {MENDING}")
    return values


def look_up(values: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key. Raises ConfigError that says how far the key was found, and what is there."""
    found: Any = values
    walked = list[str]()
    for step in key.split("."):
        if not isinstance(found, Mapping) or step not in found:
            place = ".".join(walked) or "params.yaml"
            there = [str(name) for name in found] if isinstance(found, Mapping) else []
            raise ConfigError(
                f"params.yaml has no {key!r}.{near_miss(step, there)} In {place} there is: {listing(there)}. {MENDING}"
            )
        found = found[step]
        walked.append(step)
    return found


def _replaced(values: Mapping[str, Any], steps: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = steps
    return {**values, first: _replaced(values[first], rest, value) if rest else value}
