import sys

import pytest

from mmcore.config.sections import SECTIONS
from mmcore.errors import ConfigError, PluginError
from tests.config.conftest import TABLE


def test_composing_imports_no_plugin_and_no_torch(project):
    project.compose()

    assert not [name for name in sys.modules if name.startswith("cfg_parts")]


def test_every_section_and_every_default_is_written(project):
    values = project.compose()

    assert list(values) == list(SECTIONS)
    assert values["training"]["betas"] == [0.9, 0.999]
    assert values["data"]["split"] == {"column": None, "seed": 0, "validation": 0.1, "test": 0.1}
    assert values["fields"]["image"]["features"] == "auto"


def test_a_plugin_gets_all_of_its_settings(project):
    values = project.compose()

    assert values["fields"]["image"]["encoder"] == {"name": "cnn", "widths": [32, 64], "rate": 0.001}
    assert values["fusion"] == {"name": "film", "guide": "text", "pool": "max"}


def test_a_field_is_its_own_column_unless_it_says_otherwise(project):
    assert project.compose()["fields"]["image"]["column"] == "image"
    assert project.compose("fields.image.column=file")["fields"]["image"]["column"] == "file"


def test_a_target_is_the_field_that_the_task_is_named_after(project):
    assert project.compose()["tasks"]["label"]["target"] == "label"


def test_a_task_weighs_1_unless_told_otherwise(project):
    assert project.compose()["tasks"]["label"]["weight"] == 1.0
    assert project.compose("tasks.label.weight=0.5")["tasks"]["label"]["weight"] == 0.5


def test_groups_of_a_defaults_list_give_the_same_as_words(project):
    by_words = project.compose("experiment=table", "data.source.path=rows.csv", "fusion=film")
    by_groups = project.compose("experiment=groups")

    assert by_groups["fields"]["image"]["encoder"] == by_words["fields"]["photo"]["encoder"]
    assert by_groups["fields"]["label"] == by_words["fields"]["label"]
    assert by_groups["tasks"] == by_words["tasks"]
    assert by_groups["fusion"] == by_words["fusion"]


@pytest.mark.parametrize(
    ("choice", "at", "value"),
    [
        ("fusion=concat", ("fusion",), {"name": "concat", "width": 128}),
        ("training.epochs=5", ("training", "epochs"), 5),
        ("training=quick", ("training", "epochs"), 1),
        ("fields.image.encoder.widths=[8]", ("fields", "image", "encoder", "widths"), [8]),
        ("fields.text.encoder=null", ("fields", "text", "encoder"), None),
        ("encoder@fields.image.encoder=rnn", ("fields", "image", "encoder"), {"name": "rnn", "width": 128}),
        ("fields.image.encoder={name: rnn, width: 4}", ("fields", "image", "encoder"), {"name": "rnn", "width": 4}),
        ("fields.image={encoder: {name: rnn, width: 4}}", ("fields", "image", "encoder"), {"name": "rnn", "width": 4}),
        ("fusion={pool: mean}", ("fusion",), {"name": "film", "guide": "text", "pool": "mean"}),
        ("training.lr_of={encoders.image: 0.1}", ("training", "lr_of"), {"encoders.image": 0.1}),
        ("training.lr=1e-2", ("training", "lr"), 0.01),
        ("floors.fusion=film", ("floors", "fusion", "name"), "film"),
        ("report.title='two words, one comma'", ("report", "title"), "two words, one comma"),
        ("report.title=图文检索", ("report", "title"), "图文检索"),
        ("report.title='Zx0056FE, 图，Zx'", ("report", "title"), "Zx0056FE, 图，Zx"),
        ("data.source.path=data/画/第1张 Köln.csv", ("data", "source", "path"), "data/画/第1张 Köln.csv"),
        (
            "fields={图片: {column: 图, modality: image, encoder: cnn}, label: category}",
            ("fields", "图片", "column"),
            "图",
        ),
        ("+fields.说明=text/rnn", ("fields", "说明", "encoder", "name"), "rnn"),
        ("training=慢 速", ("training", "epochs"), 99),
    ],
)
def test_a_choice_is_carried_out(project, choice, at, value):
    found = project.compose(choice)
    for step in at:
        found = found[step]

    assert found == value


def test_a_table_of_ones_own_needs_its_path_and_its_columns(project):
    values = project.compose(
        "experiment=table", "data.source.path=my/rows.csv", "fields={p: image/cnn, t: text/rnn, y: category}",
        "tasks={y: classification}", "training.monitor=y/accuracy",
    )  # fmt: skip

    assert list(values["fields"]) == ["p", "t", "y"]
    assert values["tasks"]["y"]["target"] == "y"
    assert values["data"]["watch"] == "my"


def test_the_order_of_choices_does_not_matter_where_they_touch_nothing_in_common(project):
    one = project.compose(
        "tasks={y: classification}", "fields={p: image/cnn, y: category}", "training.monitor=y/accuracy"
    )
    other = project.compose(
        "training.monitor=y/accuracy", "fields={p: image/cnn, y: category}", "tasks={y: classification}"
    )

    assert one == other


def test_a_field_can_be_added_and_taken_away(project):
    assert list(project.compose("~fields.text")["fields"]) == ["image", "label"]
    added = project.compose("+fields.sound=image/cnn", "fields.sound.encoder.widths=[4]")["fields"]["sound"]
    assert added["encoder"]["widths"] == [4]


def test_a_file_of_the_project_stands_for_a_plugin_with_other_settings(project):
    project.write("encoder/large.yaml", "name: cnn\nwidths: [256]\n")

    assert project.compose("fields.image.encoder=large")["fields"]["image"]["encoder"]["widths"] == [256]


def test_interpolations_follow_the_choices(project):
    project.write("training/default.yaml", "monitor: ???\nseed: 3\nepochs: ${training.seed}\n")

    assert project.compose()["training"]["epochs"] == 3
    assert project.compose("training.seed=7")["training"]["epochs"] == 7


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["experimnt=table"], r"there is no 'experimnt'. Did you mean 'experiment'\? There is: .*training"),
        (["experiment=tabel"], r"there is no conf/experiment/tabel.yaml. Did you mean 'table'\? There is: first"),
        (["training.epoch=5"], r"there is no 'training.epoch'. Did you mean 'epochs'\? In training there is: .*lr"),
        (["fields.imgae.encoder=cnn"], r"there is no 'fields.imgae'. Did you mean 'image'\?"),
        (["fields.sound=image/cnn"], r"To add one: \+fields.sound=image/cnn"),
        (["~fields.sound"], r"there is no 'fields.sound'"),
        (["+fields.text=text"], r"fields.text is there already. Leave out the \+"),
        (["training.lr.fast=1"], r"training.lr is 0.001 and has nothing below it"),
        (["encoder=cnn"], r"does not say where. Name the place: fields.FIELD.encoder="),
        (["training.epochs"], r"is no choice. Say KEY=VALUE"),
        (["training.epochs=1,2"], r"gives several values. Give one"),
        (["training.epochs=many"], r"training.epochs must be a whole number but got 'many'"),
        (["tasks.label.weight=lots"], r"tasks.label.weight must be a number but got 'lots'"),
        (["tasks.label.weight=-1"], r"tasks.label.weight must be between 0 and 1e\+09 but got -1"),
        (["training.epochs=0"], r"training.epochs must be between 1 and inf but got 0"),
        (["fields.image.encoder=ccnn"], r"There is no encoder 'ccnn'. Did you mean 'cnn'\? There is: cnn, rnn"),
        (["+fields.image.encoder.widht=3"], r"fields.image.encoder: .*'cnn' takes no 'widht'. Did you mean 'widths'\?"),
        (["+training.epoch=3"], r"training takes no 'epoch'. Did you mean 'epochs'\?"),
        (["experiment=table"], r"data.source.path has no value. Give one: data.source.path=..."),
        (["~fields.label"], r"tasks.label.target"),
        (["tasks.label.target=lable"], r"tasks.label.target names 'lable', which is no field. Did you mean 'label'\?"),
        (["training.monitor=labl/accuracy"], r"must be TASK/METRIC but is 'labl/accuracy'. Did you mean 'label'\?"),
        (["fields.image.encoder=null", "fields.text.encoder=null"], r"no field has an encoder"),
        (["+fields.split=text/rnn"], r"a field cannot be called 'split'"),
        (["+fields.joint=text/rnn"], r"cannot be called 'joint'.* give fields.NAME.column=joint"),
        (["~tasks.label"], r"there is no task"),
        (["fusion=null"], r"fusion must name a plugin but is None. .*or say fusion=concat"),
        (["tasks={label: {}}"], r"tasks.label must name .* Write `label: \{name: classification\}`"),
        (["floors=[]"], r"floors must be a mapping of keys to values but got \[\]"),
        (["training=3"], r"training must be a mapping of keys to values but got 3"),
        (["data=[]"], r"data must be a mapping of keys to values but got \[\]"),
        (["pretrain=null"], r"pretrain must be a mapping of keys to values but got None"),
        (["fusion.name=concat"], r"fusion: mmcore.fusions 'concat' takes no 'guide'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_our_words(project, choices, message):
    with pytest.raises((ConfigError, PluginError), match=message) as caught:
        project.compose(*choices)

    assert "provider=" not in str(caught.value), "Hydra's search path is no help"


@pytest.mark.parametrize("sign", ["", "+"])
@pytest.mark.parametrize("name", ["lr_of", "freeze"])
def test_the_advice_for_a_part_of_the_model_can_be_followed(project, name, sign):
    there = f"training.{name}={{encoders.image: 2}}"
    with pytest.raises(ConfigError) as caught:
        project.compose(there, f"{sign}training.{name}.encoders.text=3")
    advice = str(caught.value).partition("To add one: ")[2].strip("'")

    assert project.compose(there, advice)["training"][name] == {"encoders.image": 2, "encoders.text": 3}


def test_a_defaults_list_that_names_nothing_is_told(project):
    project.write("experiment/first.yaml", "# @package _global_\ndefaults: [{override /data: tabel}]\n")

    with pytest.raises(ConfigError, match=r"names 'data/tabel'. Did you mean 'table'\? There is: table"):
        project.compose()


def test_an_experiment_without_a_fusion_is_told_what_to_write(project):
    project.write("experiment/own.yaml", TABLE.replace("fusion: concat\n", ""))

    with pytest.raises(
        ConfigError, match=r"fusion must .* is \{\}. Write `fusion: \{name: concat\}`.*: concat, film\."
    ):
        project.compose("experiment=own", "data.source.path=rows.csv")


def test_experiments_that_start_from_each_other_are_told(project):
    project.write("experiment/first.yaml", "# @package _global_\ndefaults: [second]\n")
    project.write("experiment/second.yaml", "# @package _global_\ndefaults: [first]\n")

    with pytest.raises(ConfigError, match=r"round in a circle.*experiment=second.*Take one of them out"):
        project.compose("experiment=second")


@pytest.mark.parametrize("file", ["experiment/first.yaml", "encoder/large.yaml"])
def test_a_file_of_conf_that_is_no_yaml_is_named(project, file):
    project.write(file, "fields: [\n")

    with pytest.raises(ConfigError, match=rf"{file} is not readable as YAML"):
        project.compose("fields.image.encoder=large")


def test_without_conf_it_is_said_where_to_go(tmp_path, project):
    from mmcore.config.compose import compose

    with pytest.raises(ConfigError, match=r"no conf/config.yaml in .* The project is the clone"):
        compose(tmp_path, [], plugins=project.plugins)


def test_a_plugin_without_yaml_takes_any_settings(project):
    (project.site / "cfg_parts" / "conf" / "fusion" / "concat.yaml").unlink()

    assert project.compose("fusion={name: concat, any: 3}", "floors.fusion=null")["fusion"] == {
        "name": "concat",
        "any": 3,
    }
