import pytest
import yaml

from mmcore.errors import ConfigError


def test_the_file_holds_what_was_composed_and_how_it_came_about(project):
    project.update("fusion=concat", "training.epochs=3")
    written = project.read()

    assert written.pop("compose")["choices"] == ["fusion=concat", "training.epochs=3"]
    assert written == project.compose("fusion=concat", "training.epochs=3")


def test_the_file_reads_well(project):
    project.update("training.lr=0.00001")
    text = project.params.read_text()

    assert text.startswith("# What every stage reads.")
    assert "lr: 1.0e-05" in text
    assert "widths: [32, 64]" in text


def test_floats_mean_the_same_to_every_reader_of_yaml(project):
    ruamel = pytest.importorskip("ruamel.yaml")  # DVC reads with it
    project.update("training.lr=1e-5", "fields.image.features=on")

    assert ruamel.YAML(typ="safe").load(project.params.read_text()) == yaml.safe_load(project.params.read_text())


def test_composing_twice_changes_nothing(project):
    project.update("fusion=concat")
    before = project.params.stat().st_mtime_ns

    assert project.update().changed == {}
    assert project.params.stat().st_mtime_ns == before


def test_what_changed_is_told(project):
    assert project.update().changed is None
    assert project.update("training.epochs=3").changed == {"training.epochs": (10, 3)}


def test_choices_add_to_those_before(project):
    project.update("fusion=concat")
    assert project.update("training.epochs=3").choices == ("fusion=concat", "training.epochs=3")
    assert project.update().choices == ("fusion=concat", "training.epochs=3")


def test_an_experiment_starts_anew(project):
    project.update("fusion=concat", "training.epochs=3")

    assert project.update("experiment=first").choices == ("experiment=first",)


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ("training.epochs=3", "training.epochs=4", ("training.epochs=4",)),
        ("fusion.pool=mean", "fusion=concat", ("fusion=concat",)),
        ("+fields.sound=image/cnn", "~fields.sound", ()),
        ("+fields.sound=image/cnn", "fields.sound=text/rnn", ("+fields.sound=text/rnn",)),
        ("training=quick", "training=default", ("training=default",)),
    ],
)
def test_a_choice_drops_what_it_replaces(project, before, after, left):
    project.update(before)

    assert project.update(after).choices == left


def test_an_edit_by_hand_is_not_lost(project):
    project.update()
    project.edit("training", "lr", value=0.5)
    project.edit("fusion", "pool", value="mean")
    text = project.params.read_text()

    with pytest.raises(
        ConfigError,
        match=r"(?s)fusion.pool: yours 'mean', would become 'max'.*training.lr: yours 0.5, would become 0.001.*--force",
    ):
        project.update()
    assert project.params.read_text() == text


def test_only_what_would_be_lost_is_listed(project):
    project.update()
    project.edit("training", "lr", value=0.5)

    with pytest.raises(ConfigError) as caught:
        project.update("fusion=concat")
    assert "training.lr" in str(caught.value)
    assert "fusion" not in str(caught.value)


def test_force_overwrites_an_edit(project):
    project.update()
    project.edit("training", "lr", value=0.5)
    project.update(force=True)

    assert project.read()["training"]["lr"] == 0.001


def test_an_edit_that_is_named_as_a_choice_is_kept(project):
    project.update()
    project.edit("training", "lr", value=0.5)
    project.update("training.lr=0.5")

    assert project.read()["training"]["lr"] == 0.5
    assert project.update().changed == {}


def test_a_field_added_by_hand_is_not_lost(project):
    project.update()
    project.edit("fields", "more", value=project.read()["fields"]["text"])

    with pytest.raises(ConfigError, match=r"fields.more: yours .* would become nothing"):
        project.update("training.epochs=3")


def test_a_file_that_was_laid_out_anew_is_not_edited(project):
    project.update()
    project.params.write_text(yaml.safe_dump(project.read()))

    assert project.update().changed == {}


def test_an_edit_survives_a_conf_that_does_not_compose(project):
    project.update("training=quick")
    project.edit("training", "lr", value=0.5)
    (project.root / "conf" / "training" / "quick.yaml").unlink()

    with pytest.raises(ConfigError, match=r"training.lr: yours 0.5"):
        project.update("experiment=first")


def test_a_broken_file_is_named_and_force_replaces_it(project):
    project.update()
    project.params.write_text("training: [\n")

    with pytest.raises(ConfigError, match=r"params.yaml is not readable as YAML"):
        project.update()
    project.update(force=True)
    assert project.read()["training"]["lr"] == 0.001


def test_a_refused_choice_leaves_the_file_alone(project):
    project.update()
    text = project.params.read_text()

    with pytest.raises(ConfigError):
        project.update("training.epochs=0")
    assert project.params.read_text() == text
    assert [path.name for path in project.root.iterdir() if path.name.endswith(".new")] == []
