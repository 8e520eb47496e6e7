"""A project in a folder with plugins beside it that fail when they are imported: composing must not import them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmcore.config.compose import compose
from mmcore.config.update import Update, update
from mmcore.registry.plugins import Plugins
from tests.packages import found_in, write_package

CONFIG = """
defaults: [_self_, {data: table}, {training: default}, {experiment: first}]
floors: {fusion: concat}
"""
DATA = """
source: {name: table}
watch: ${folder:${data.source.path}}
"""
FIRST = """
# @package _global_
fields: {image: image/cnn, text: text/rnn, label: category}
fusion: {name: film, guide: text}
tasks: {label: classification}
training: {monitor: label/accuracy}
data: {source: {path: rows.csv}}
"""
GROUPS = """
# @package _global_
defaults:
  - /modality@fields.image.modality: image
  - /encoder@fields.image.encoder: cnn
  - /modality@fields.label.modality: category
  - /fusion: film
  - /task@tasks.label: classification
tasks: {label: {target: label}}
training: {monitor: label/accuracy}
data: {source: {path: rows.csv}}
"""
TABLE = """
# @package _global_
fields: {photo: image/cnn, label: category}
fusion: concat
tasks: {label: classification}
training: {monitor: label/accuracy}
"""
PLUGINS = {
    "source": {"table": "rows:Table"},
    "modality": {"image": "image:Image", "text": "text:Text", "category": "category:Category"},
    "encoder": {"cnn": "cnn:CNN", "rnn": "rnn:RNN"},
    "fusion": {"concat": "concat:Concat", "film": "film:FiLM"},
    "task": {"classification": "classification:Classification"},
}
CONF = {
    "source/table": "name: table\npath: ???\n",
    "modality/image": "name: image\nsize_px: 64\n",
    "modality/text": "name: text\nlowercase: false\n",
    "modality/category": "name: category\n",
    "encoder/cnn": "name: cnn\nwidths: [32, 64]\nrate: 1e-3\n",
    "encoder/rnn": "name: rnn\nwidth: 128\n",
    "fusion/concat": "name: concat\nwidth: 128\n",
    "fusion/film": "name: film\nguide: question\npool: max\n",
    "task/classification": "name: classification\ntarget: answer\nhidden: 0\n",
}


@dataclass
class Project:
    """Its root, and the folder that its plugins are installed in."""

    root: Path
    site: Path

    @property
    def plugins(self) -> Plugins:
        return found_in(self.site)

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    def write(self, path: str, text: str) -> None:
        file = self.root / "conf" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip(), encoding="utf-8")

    def compose(self, *choices: str) -> dict[str, Any]:
        return compose(self.root, choices, plugins=self.plugins)

    def update(self, *choices: str, force: bool = False) -> Update:
        return update(self.root, choices, plugins=self.plugins, force=force)

    def read(self) -> dict[str, Any]:
        return yaml.safe_load(self.params.read_text(encoding="utf-8"))

    def edit(self, *steps: str, value: object) -> None:
        """Change one value by hand."""
        values = self.read()
        place = values
        for step in steps[:-1]:
            place = place[step]
        place[steps[-1]] = value
        self.params.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two experiments over a table; the plugins lie inside the repository, in plugins/."""
    made = Project(tmp_path / "project", tmp_path / "project" / "plugins")
    write_package(made.site, "cfg-parts", plugins=PLUGINS, conf=CONF)
    monkeypatch.syspath_prepend(made.site)
    made.write("config.yaml", CONFIG)
    made.write("data/table.yaml", DATA)
    made.write("training/default.yaml", "monitor: ???\nlr: 0.001\n")
    made.write("training/quick.yaml", "monitor: ???\nepochs: 1\n")
    made.write("training/慢 速.yaml", "monitor: ???\nepochs: 99\n")
    made.write("experiment/first.yaml", FIRST)
    made.write("experiment/groups.yaml", GROUPS)
    made.write("experiment/table.yaml", TABLE)
    return made
