"""What was found, as a file that `mm compose` makes the very same settings of."""

import shutil
from pathlib import Path

import pytest

from mmcore.config.changes import changed
from mmcore.config.compose import compose
from mmcore.config.experiment import MARK, write_experiment
from mmcore.config.search import read_search
from mmcore.config.update import update
from mmcore.errors import ConfigError
from mmcore.registry.plugins import installed

ROOT = Path(__file__).parents[2]
PLUGINS = installed()
"""Those of this repository: the project's own conf/ is what is tested."""


@pytest.fixture
def root(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(root, choices, changes, name="found"):
    values = compose(root, choices, plugins=PLUGINS)
    new = changed(values, changes, root=root, plugins=PLUGINS)
    path = write_experiment(root, name, new, choices=choices, notes=["a note"], plugins=PLUGINS)
    assert compose(root, [f"experiment={name}"], plugins=PLUGINS) == new
    return path.read_text()


def test_changing_nothing_changes_nothing(root):
    values = compose(root, ["experiment=easy_vqa"], plugins=PLUGINS)
    assert changed(values, {}, root=root, plugins=PLUGINS) == values


def test_only_what_differs_is_written(root):
    text = written(root, ["experiment=easy_vqa"], {"training.lr": 0.003, "fields.image.encoder.widths": [16, 32]})
    assert "defaults: [easy_vqa, _self_]" in text
    assert "lr: 0.003" in text
    assert "name: cnn" in text  # the experiment before names it in a word, which a mapping replaces
    assert "schedule" not in text
    assert "question" not in text


def test_another_plugin_takes_the_place_of_the_former_one(root):
    text = written(root, ["experiment=easy_vqa"], {"fusion": {"name": "concat", "width": 64}})
    assert "fusion: '{name: concat, width: 64, pool: mean}'" in text


def test_choices_beside_the_experiment_are_kept(root):
    choices = ["experiment=fsdd", "data.source.path=my/digits.csv", "training.epochs=3"]
    text = written(root, choices, {"training.lr": 0.003})
    assert "path: my/digits.csv" in text
    assert "epochs: 3" in text
    assert "defaults: [fsdd, _self_]" in text


def test_fields_of_ones_own_are_written_whole(root):
    fields = "fields={photo: image/cnn, text: text/rnn, label: category}"
    text = written(root, ["experiment=table", "data.source.path=my/rows.csv", fields], {"training.lr": 0.003})
    assert "photo:" in text


def test_what_was_searched_from_itself_starts_where_that_did(root):
    written(root, ["experiment=easy_vqa"], {"training.lr": 0.003})
    text = written(root, ["experiment=found", "training.epochs=3"], {"training.lr": 0.004})
    assert "defaults: [easy_vqa, _self_]" in text
    assert ("lr: 0.004" in text, "epochs: 3" in text) == (True, True)


def test_what_was_searched_from_one_that_starts_from_it_does_not_go_round_in_a_circle(root):
    written(root, ["experiment=easy_vqa"], {"training.lr": 0.003})
    (root / "conf/experiment/mine.yaml").write_text(
        "# @package _global_\ndefaults: [found, _self_]\ntraining: {epochs: 3}\n"
    )
    assert "defaults: [easy_vqa, _self_]" in written(root, ["experiment=mine"], {"training.lr": 0.004})


def test_a_file_that_cannot_say_what_was_found_does_not_stay(root):
    choices = ["experiment=easy_vqa"]
    values = compose(root, choices, plugins=PLUGINS)
    values["training"]["lr"] = "no number"
    with pytest.raises(ConfigError, match="cannot say what was found"):
        write_experiment(root, "found", values, choices=choices, notes=[], plugins=PLUGINS)
    assert not (root / "conf/experiment/found.yaml").exists()


def test_a_file_that_no_search_wrote_is_left_alone(root):
    before = (root / "conf/experiment/easy_vqa.yaml").read_text()
    with pytest.raises(ConfigError, match=r"was not written by a search. Give this one another name"):
        written(root, ["experiment=easy_vqa"], {}, name="easy_vqa")
    assert (root / "conf/experiment/easy_vqa.yaml").read_text() == before
    assert MARK in written(root, ["experiment=easy_vqa"], {"training.lr": 0.003})
    assert "0.004" in written(root, ["experiment=easy_vqa"], {"training.lr": 0.004})


def test_a_search_is_read_from_its_file_and_the_command_line(root):
    update(root, ["experiment=easy_vqa"], plugins=PLUGINS, force=True)
    found = read_search(root, ["easy_vqa", "trials=7", "space.training.warmup={low: 0.0, high: 0.2}"], plugins=PLUGINS)
    assert (found.space_name, found.settings.trials) == ("easy_vqa", 7)
    assert "training.warmup" in found.settings.space
    assert "training.lr" in found.settings.space
    for words, message in (
        (["easy_vga"], "no conf/search/easy_vga.yaml. Did you mean 'easy_vqa'"),
        (["trails=3"], "no 'trails'. Did you mean 'trials'"),
        (["trials=0"], "search.trials must be between"),
        (["trials=[1"], "not readable as YAML"),
    ):
        with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
            read_search(root, words, plugins=PLUGINS)


def test_mm_compose_does_not_take_a_space_for_a_choice(root):
    with pytest.raises(ConfigError, match="there is no 'search'"):
        compose(root, ["search=easy_vqa"], plugins=PLUGINS)
