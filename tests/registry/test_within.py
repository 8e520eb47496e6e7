"""Parts within parts: a setting that chooses a plugin of its own."""

import sys
from contextlib import nullcontext

import pytest

from mmcore.errors import ConfigError, PluginError
from mmcore.registry.settings import Part
from tests.packages import found_in, write_package

FUSE = """
from collections.abc import Callable
from typing import Annotated, Any
from mmcore.interfaces.settings import PluginOf

class Fuse:
    def __init__(
        self,
        ports,
        *,
        connector: Annotated[Callable[[int, int], Any], PluginOf("connector")],
        first: Annotated[Callable[..., Any] | None, PluginOf("fusion")] = None,
    ):
        self.made = [connector(width, 9) for width in ports]
        self.first = None if first is None else first(ports)
"""
LINE = """
class Line:
    def __init__(self, width, width_out, *, bias: bool = True):
        self.width, self.width_out, self.bias = width, width_out, bias
"""
PLUGINS = {"fusion": {"fuse": "fuse:Fuse"}, "connector": {"line": "line:Line"}}
PORTS = (3, 4)


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A stranger's package with a fusion that takes a connector."""
    monkeypatch.syspath_prepend(tmp_path)
    write_package(tmp_path, "inner-parts", plugins=PLUGINS, modules={"fuse": FUSE, "line": LINE})
    yield found_in(tmp_path)
    for name in [name for name in sys.modules if name.startswith("inner_parts")]:
        del sys.modules[name]


def fuse(**settings):
    return Part("fuse", settings)


def test_the_constructor_gets_a_function_that_builds_the_inner_part(plugins):
    made = plugins.fusion.build(fuse(connector={"name": "line", "bias": False}), PORTS, where="fusion").made

    assert [(line.width, line.width_out, line.bias) for line in made] == [(3, 9, False), (4, 9, False)]


def test_each_inner_part_has_a_seed_of_its_own(plugins):
    asked = []

    def seeded(where):
        asked.append(where)
        return nullcontext()

    inner = {"name": "fuse", "connector": {"name": "line"}}
    plugins.fusion.build(fuse(connector={"name": "line"}, first=inner), PORTS, where="fusion", seeded=seeded)

    assert asked == [
        "fusion.connector/0",
        "fusion.connector/1",
        "fusion.first/0",
        "fusion.first.connector/0",
        "fusion.first.connector/1",
    ]


def test_a_choice_may_be_left_open_where_its_type_says_so(plugins):
    built = plugins.fusion.build(fuse(connector={"name": "line"}, first=None), PORTS, where="fusion")

    assert built.first is None


def test_settings_of_an_inner_part_are_checked_with_the_outer_one(plugins):
    message = r"fusion.connector: mmcore.connectors 'line' takes no 'biass'. Did you mean 'bias'\?"
    with pytest.raises(ConfigError, match=message):
        plugins.fusion.check(fuse(connector={"name": "line", "biass": 1}), where="fusion")


def test_settings_of_a_part_within_an_inner_part_are_checked_too(plugins):
    inner = {"name": "fuse", "connector": {"name": "line", "bias": 3}}
    with pytest.raises(ConfigError, match=r"fusion.first.connector.bias must be true or false but got 3"):
        plugins.fusion.check(fuse(connector={"name": "line"}, first=inner), where="fusion")


def test_an_inner_plugin_that_is_not_there_is_told(plugins):
    with pytest.raises(PluginError, match=r"No plugin 'lien' in mmcore.connectors. Did you mean 'line'\?"):
        plugins.fusion.check(fuse(connector={"name": "lien"}), where="fusion")


def test_what_is_no_choice_is_told(plugins):
    with pytest.raises(ConfigError, match=r"fusion.connector must be a mapping with a 'name'"):
        plugins.fusion.check(fuse(connector="line"), where="fusion")


def test_inner_parts_are_found_without_importing_anything(tmp_path):
    write_package(tmp_path, "inner-shut", plugins=PLUGINS)
    inner = {"name": "fuse", "connector": {"name": "line"}}

    points = found_in(tmp_path).points("fusion", fuse(connector={"name": "line"}, first=inner))

    assert [point.name for point in points] == ["fuse", "line", "fuse", "line"]


def test_a_plain_mapping_with_a_name_is_no_inner_part(tmp_path):
    write_package(tmp_path, "inner-shut", plugins=PLUGINS)

    assert found_in(tmp_path).kind_within("fusion", "font", {"name": "Arial"}) is None
