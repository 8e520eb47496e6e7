"""The spaces of conf/search/ and of the page about it are right, for the experiments that they are for."""

import re
from pathlib import Path

import pytest
import yaml

from mmcore.config.changes import changed
from mmcore.config.compose import compose
from mmcore.registry.plugins import installed
from mmcore.search import samplers
from mmcore.search.declared import declared_part, kind_at
from mmcore.search.reading import read_space
from mmcore.search.settings import SearchSettings

ROOT = Path(__file__).parents[2]
SHOWN = re.findall(r"^```yaml\nspace:\n(.*?)^```$", (ROOT / "docs/search.md").read_text(), re.DOTALL | re.MULTILINE)
SHIPPED = sorted((ROOT / "conf/search").glob("*.yaml"))


@pytest.fixture(params=[*SHIPPED, *SHOWN], ids=lambda one: one.stem if isinstance(one, Path) else "docs")
def space(request):
    text = request.param.read_text() if isinstance(request.param, Path) else f"space:\n{request.param}"
    experiment = request.param.stem if isinstance(request.param, Path) else "easy_vqa"
    needed = [] if experiment == "easy_vqa" else ["data.source.path=rows.csv"]
    plugins = installed()
    values = compose(ROOT, [f"experiment={experiment}", *needed], plugins=plugins)

    def declared(key, part):
        found = declared_part(key, part, kind=kind_at(key), plugins=plugins)
        return {below.removeprefix(f"{key}."): spec for below, spec in found.items()}

    def settle(changes):
        return changed(values, changes, root=ROOT, plugins=plugins)

    return read_space(yaml.safe_load(text)["space"], values, settle=settle, declared=declared), settle


def test_it_holds_the_settings_that_are_there_and_every_point_can_be_had(space):
    found, settle = space
    assert found.present is not None
    assert settle(found.present.changes) == settle({})
    samplers.check(SearchSettings(), found, objectives=1)
