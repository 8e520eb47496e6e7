"""Choices of plugins within the settings of another plugin, composed without importing either."""

import sys

import pytest
import yaml

from mmcore.config.check import check
from mmcore.errors import ConfigError, MmcoreError
from tests.packages import write_package

WRAP = """
from collections.abc import Callable
from typing import Annotated, Any
from mmcore.interfaces.settings import FieldName, PluginOf
class Wrap:
    def __init__(self, ports, *, connector: Annotated[Callable[..., Any], PluginOf("connector")],
                 inner: Annotated[Callable[..., Any] | None, PluginOf("fusion")] = None): ...
class Plain:
    def __init__(self, ports, *, guide: Annotated[str, FieldName()] = "text"): ...
"""
LINE = "class Line:\n    def __init__(self, width, out, *, bias: bool = True): ...\n"
PLUGINS = {
    "fusion": {"wrap": "wrap:Wrap", "plain": "wrap:Plain"},
    "connector": {"line": "line:Line", "curve": "line:Curve"},
}
CONF = {
    "fusion/wrap": "name: wrap\nconnector: {name: line}\ninner: {name: plain}\n",
    "fusion/plain": "name: plain\nguide: text\n",
    "connector/line": "name: line\nbias: true\n",
    "connector/curve": "name: curve\nknots: 3\n",
}


@pytest.fixture
def shut(project):
    """The project with one package more, which must not be imported."""
    write_package(project.site, "cfg-inner", plugins=PLUGINS, conf=CONF)
    return project


def test_an_inner_choice_gets_every_setting(shut):
    fusion = shut.compose("fusion=wrap")["fusion"]

    assert fusion == {
        "name": "wrap",
        "connector": {"name": "line", "bias": True},
        "inner": {"name": "plain", "guide": "text"},
    }


def test_an_inner_choice_can_be_made_by_a_word(shut):
    chosen = shut.compose("fusion=wrap", "fusion.connector=curve")["fusion"]["connector"]

    assert chosen == {"name": "curve", "knots": 3}


def test_an_inner_choice_made_by_a_mapping_keeps_nothing_of_the_former_one(shut):
    chosen = shut.compose("fusion=wrap", "fusion.connector={name: curve, knots: 5}")["fusion"]["connector"]

    assert chosen == {"name": "curve", "knots": 5}


def test_one_setting_of_an_inner_choice_can_be_changed(shut):
    chosen = shut.compose("fusion=wrap", "fusion.connector.bias=false")["fusion"]["connector"]

    assert chosen == {"name": "line", "bias": False}


def test_unknown_settings_of_an_inner_choice_are_told_with_their_place(shut):
    message = r"fusion.connector: mmcore.connectors 'line' takes no 'biass'. Did you mean 'bias'\? It takes: bias."
    with pytest.raises(ConfigError, match=message):
        shut.compose("fusion={name: wrap, connector: {name: line, biass: 1}}")


def test_an_inner_choice_that_is_not_there_is_told(shut):
    with pytest.raises(MmcoreError, match=r"'lien'.* Did you mean 'line'\?"):
        shut.compose("fusion=wrap", "fusion.connector=lien")


def test_composing_twice_changes_nothing(shut):
    shut.update("fusion=wrap", "fusion.connector=curve")
    once = shut.params.read_bytes()
    shut.update()

    assert shut.params.read_bytes() == once


def test_the_package_of_an_inner_choice_is_recorded(shut, tmp_path, monkeypatch):
    outside = tmp_path / "elsewhere"
    write_package(outside, "cfg-far", plugins={"connector": {"far": "far:Far"}}, conf={"connector/far": "name: far\n"})
    monkeypatch.syspath_prepend(outside)
    (shut.site / "cfg_far-1.0.dist-info").symlink_to(outside / "cfg_far-1.0.dist-info")

    records = shut.compose("fusion=wrap", "fusion.connector=far")["training"]["packages"]

    assert [record["name"] for record in records] == ["cfg-far"]


@pytest.fixture
def working(project):
    """The same with plugins that can be imported; those of the fields are not asked for."""
    write_package(project.site, "cfg-inner", plugins=PLUGINS, conf=CONF, modules={"wrap": WRAP, "line": LINE})
    project.update("fusion=wrap")
    yield project
    for name in [name for name in sys.modules if name.startswith("cfg_inner")]:
        del sys.modules[name]


def faults(project, **changed):
    values = project.read()
    values["fusion"].update(changed)
    project.params.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return [fault for fault in check(project.root, plugins=project.plugins).faults if fault.startswith("fusion")]


def test_what_was_composed_is_in_order(working):
    assert faults(working) == []


def test_a_field_that_an_inner_part_names_must_be_there(working):
    (fault,) = faults(working, inner={"name": "plain", "guide": "txet"})

    assert fault.startswith("fusion.inner.guide names 'txet', which is no field with an encoder. Did you mean 'text'?")


def test_a_type_within_an_inner_part_is_checked(working):
    (fault,) = faults(working, connector={"name": "line", "bias": 3})

    assert fault == "fusion.connector.bias must be true or false but got 3."
