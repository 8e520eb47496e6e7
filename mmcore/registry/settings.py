"""Settings are the keyword-only arguments of a constructor: read them, check given ones against them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from mmcore.errors import ConfigError, listing, near_miss

MISSING: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Setting:
    """One keyword-only argument."""

    name: str
    annotation: Any
    default: Any = MISSING
    """MISSING where a value must be given."""

    @property
    def metadata(self) -> tuple[Any, ...]:
        """What stands beside the type in `Annotated`: ranges."""
        return get_args(self.annotation)[1:] if get_origin(self.annotation) is Annotated else ()

    @property
    def plugin_kind(self) -> str | None:
        """The kind of plugin that this setting chooses; None where it is a plain value."""
        return next((item.plugin_kind for item in self.metadata if hasattr(item, "plugin_kind")), None)


@dataclass(frozen=True)
class Part:
    """A choice of plugin as YAML has it: `{name: cnn, widths: [32, 64]}`."""

    name: str
    settings: Mapping[str, Any]

    @classmethod
    def from_yaml(cls, value: Any, where: str) -> "Part":
        """The mapping with its `name` taken out. Raises ConfigError where there is none."""
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            raise ConfigError(f"{where} must be a mapping with a 'name' (of a plugin) but got {value!r}.")
        return cls(value["name"], {str(key): item for key, item in value.items() if key != "name"})

    def to_yaml(self) -> dict[str, Any]:
        """The flat mapping again."""
        return {"name": self.name, **self.settings}


def settings_of(target: Callable[..., Any]) -> dict[str, Setting]:
    """The settings of a class or function, in order. A frozen dataclass has all of its fields as settings."""
    everything = is_dataclass(target)
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    hints = get_type_hints(target if everything else function, include_extras=True)
    found = dict[str, Setting]()
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY or everything:
            default = parameter.default
            if default is not MISSING and type(default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
                default = target.__dataclass_fields__[name].default_factory()  # type: ignore[attr-defined]
            found[name] = Setting(name, hints.get(name, Any), default)
    return found


def check_settings(
    target: Callable[..., Any], given: Mapping[str, Any], *, where: str, what: str | None = None
) -> dict[str, Any]:
    """`given`, with every value of the right type.

    where: the key in params.yaml, for messages. what: how messages call the target. Raises ConfigError that names the
    key, what was given and what is there: for unknown keys, for missing ones, for values of a wrong type or range.
    """
    known = settings_of(target)
    title = what or where
    for name in given:
        if name not in known:
            raise ConfigError(
                f"{where}: {title} takes no {name!r}.{near_miss(name, known)} It takes: {listing(known)}."
            )
    lacking = [name for name, setting in known.items() if setting.default is MISSING and name not in given]
    if lacking:
        raise ConfigError(f"{where}: {title} needs {listing(lacking)}. Given: {listing(given)}.")
    return {name: coerce(value, known[name].annotation, f"{where}.{name}") for name, value in given.items()}


def coerce(value: Any, annotation: Any, where: str) -> Any:
    """`value` as the annotation wants it: lists become tuples, 1 becomes 1.0, a mapping becomes its dataclass.

    Raises ConfigError where it cannot be had without changing what was meant.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in (Any, MISSING, object):
        return value
    if origin is Annotated:
        if any(hasattr(item, "plugin_kind") for item in arguments[1:]):
            return None if value is None and NoneType in get_args(arguments[0]) else coerce(value, Part, where)
        return _in_range(coerce(value, arguments[0], where), arguments[1:], where)
    if origin in (Union, UnionType):
        return _first_that_fits(value, arguments, where)
    if origin is Literal:
        if isinstance(value, bool) and {"on", "off"} <= set(arguments):
            value = "on" if value else "off"  # YAML reads on and off, without quotes, as true and false
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            hint = near_miss(str(value), map(str, arguments))
            raise ConfigError(f"{where} must be one of {choices} but got {value!r}.{hint}")
        return value
    if annotation is Part:
        return value if isinstance(value, Part) else Part.from_yaml(value, where)
    if is_dataclass(annotation) and isinstance(annotation, type):
        if isinstance(value, annotation):
            return value
        return annotation(**check_settings(annotation, _mapping(value, where), where=where))
    if origin in (dict, Mapping):
        return {str(key): coerce(item, arguments[1], f"{where}.{key}") for key, item in _mapping(value, where).items()}
    if origin in (list, tuple, Sequence):
        return _sequence(value, origin, arguments, where)
    return _scalar(value, annotation, where)


def _in_range(value: Any, metadata: tuple[Any, ...], where: str) -> Any:
    for item in metadata:
        fault = item.fault(value) if hasattr(item, "fault") else None
        if fault:
            raise ConfigError(f"{where} {fault}.")
    return value


def _first_that_fits(value: Any, options: tuple[Any, ...], where: str) -> Any:
    if value is None and NoneType in options:
        return None
    errors = list[ConfigError]()
    for option in options:
        if option is not NoneType:
            try:
                return coerce(value, option, where)
            except ConfigError as error:
                errors.append(error)
    raise errors[-1]


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a mapping of keys to values but got {value!r}.")
    return value


def _sequence(value: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list but got {value!r}.")
    fixed = origin is tuple and arguments and arguments[-1] is not Ellipsis
    if fixed and len(arguments) != len(value):
        raise ConfigError(f"{where} must hold {len(arguments)} items but got {value!r}.")
    kinds = arguments if fixed else [arguments[0] if arguments else Any] * len(value)
    items = [coerce(item, kind, f"{where}[{n}]") for n, (item, kind) in enumerate(zip(value, kinds, strict=True))]
    return items if origin is list else tuple(items)


def _scalar(value: Any, annotation: Any, where: str) -> Any:
    fits = {
        bool: isinstance(value, bool),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool),
        str: isinstance(value, str),
    }
    if annotation is float and isinstance(value, str) and _number(value) is not None:
        return _number(value)  # YAML reads 1e-3, without a point, as a text
    if annotation not in fits:
        if isinstance(value, annotation):
            return value
        raise ConfigError(f"{where} must be {getattr(annotation, '__name__', annotation)} but got {value!r}.")
    if not fits[annotation]:
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise ConfigError(f"{where} must be {kinds[annotation]} but got {value!r}.")
    return float(value) if annotation is float else value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
