from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from mmcore.errors import ConfigError
from mmcore.interfaces.settings import Range
from mmcore.registry.settings import MISSING, Part, check_settings, coerce, settings_of


class CNN:
    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        width: Annotated[int, Range(1, 64)],
        widths: tuple[int, ...] = (8, 16),
        rate: float = 0.1,
        kind: Literal["auto", "on", "off"] = "auto",
        bias: bool | None = None,
    ) -> None: ...


@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Range(0, 1)] = 0.5


@dataclass(frozen=True)
class Outer:
    part: Part
    inner: Inner = field(default_factory=Inner)
    factors: Mapping[str, float] = field(default_factory=dict)


def test_settings_are_the_keyword_only_arguments():
    assert list(settings_of(CNN)) == ["width", "widths", "rate", "kind", "bias"]
    assert settings_of(CNN)["width"].default is MISSING
    assert settings_of(CNN)["width"].metadata == (Range(1, 64),)


def test_a_dataclass_has_its_fields_with_their_defaults():
    assert settings_of(Outer)["inner"].default == Inner()


def test_a_misspelt_setting_gets_the_nearest_one_and_all_there_are():
    with pytest.raises(
        ConfigError, match=r"takes no 'widht'. Did you mean 'width'\? It takes: bias, kind, rate, width, widths."
    ):
        check_settings(CNN, {"widht": 3}, where="fields.image.encoder")


def test_what_the_data_says_cannot_be_set():
    with pytest.raises(ConfigError, match=r"takes no 'facts'"):
        check_settings(CNN, {"facts": {}, "width": 1}, where="x")


def test_a_setting_without_default_must_be_given():
    with pytest.raises(ConfigError, match=r"x: mmcore.encoders 'cnn' needs width"):
        check_settings(CNN, {"rate": 1}, where="x", what="mmcore.encoders 'cnn'")


@pytest.mark.parametrize(
    ("key", "given", "message"),
    [
        ("width", 65, r"x.width must be between 1 and 64 but got 65"),
        ("width", 2.5, r"x.width must be a whole number but got 2.5"),
        ("width", True, r"x.width must be a whole number but got True"),
        ("widths", 8, r"x.widths must be a list but got 8"),
        ("widths", [8, "a"], r"x.widths\[1\] must be a whole number but got 'a'"),
        ("rate", "fast", r"x.rate must be a number but got 'fast'"),
        ("kind", "onn", r"x.kind must be one of auto, on, off but got 'onn'. Did you mean 'on'"),
        ("bias", "yes", r"x.bias must be true or false but got 'yes'"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(key, given, message):
    with pytest.raises(ConfigError, match=message):
        check_settings(CNN, {"width": 1, key: given}, where="x")


@pytest.mark.parametrize(
    ("key", "given", "taken"),
    [
        ("widths", [1, 2, 3], (1, 2, 3)),
        ("rate", 1, 1.0),
        ("rate", "1e-3", 0.001),
        ("kind", True, "on"),
        ("kind", False, "off"),
        ("bias", None, None),
    ],
)
def test_yaml_becomes_what_the_constructor_wants(key, given, taken):
    assert check_settings(CNN, {"width": 1, key: given}, where="x")[key] == taken


def test_nested_settings_are_checked_with_their_whole_key():
    with pytest.raises(ConfigError, match=r"data.inner.share must be between 0 and 1 but got 2"):
        coerce({"part": {"name": "a"}, "inner": {"share": 2}}, Outer, "data")


def test_a_part_needs_a_name():
    with pytest.raises(ConfigError, match=r"data.part must be a mapping with a 'name'"):
        coerce({"part": {"widths": [1]}}, Outer, "data")


def test_a_part_comes_back_as_it_was():
    yaml = {"name": "cnn", "widths": [1, 2]}
    assert Part.from_yaml(yaml, "x").to_yaml() == yaml
