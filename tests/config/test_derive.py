import pytest

from mmcore.config.derive import files_of
from mmcore.config.packages import check_packages
from mmcore.config.params import Params
from mmcore.errors import ConfigError
from tests.packages import write_package

OUTSIDE = {"modality": {"radar": "radar:Radar"}, "encoder": {"dish": "dish:Dish"}, "fusion": {"gate": "gate:Gate"}}


@pytest.fixture
def outside(project, tmp_path, monkeypatch):
    """A package that is installed elsewhere, found beside the project's own."""
    site = tmp_path / "elsewhere"
    package = write_package(site, "cfg-outside", plugins=OUTSIDE)
    (site / "cfg_outside-1.0.dist-info").rename(project.site / "cfg_outside-1.0.dist-info")
    monkeypatch.syspath_prepend(site)
    return package


def test_code_inside_the_repository_is_named_by_its_path(project):
    values = project.compose()

    assert values["fields"]["image"]["code"] == "plugins/cfg_parts/image.py"
    assert values["data"]["code"] == "plugins/cfg_parts/rows.py"
    assert values["fields"]["image"]["package"] is None


def test_a_package_from_outside_is_recorded(project, outside):
    values = project.compose("fields.image=radar/dish", "fusion=gate")
    field = values["fields"]["image"]

    assert field["code"] == "mmcore/data"
    assert (field["package"]["name"], field["package"]["version"]) == ("cfg-outside", "1.0")
    assert field["encoder_package"] == field["package"]
    assert values["training"]["packages"] == [field["package"]]


def test_without_a_first_training_train_depends_on_a_file_that_is_there(project):
    assert project.compose()["pretrain"] == {"training": {}, "runs": {}, "start": "mmcore/stages/pretrain.py"}


def test_a_first_training_is_the_training_with_what_is_other(project):
    values = project.compose("+pretrain.training.lr=0.5", "+pretrain.training.freeze={encoders: 1}")
    first = values["pretrain"]["runs"]["first"]

    assert first == {**values["training"], "lr": 0.5, "freeze": {"encoders": 1}}
    assert values["pretrain"]["start"] == "artifacts/pretrain/first"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("+pretrain.training.lrr=0.5", r"pretrain.training names 'lrr', .* Did you mean 'lr'\?"),
        ("+pretrain.training.epochs=0", r"pretrain.runs.first.epochs must be between 1"),
    ],
)
def test_a_first_training_with_other_settings_than_there_are_is_refused(project, choice, message):
    with pytest.raises(ConfigError, match=message):
        project.compose(choice)


def test_the_packages_of_a_first_training_are_looked_after(project, outside):
    values = project.compose("fusion=gate", "+pretrain.training.lr=0.5")
    (outside / "gate.py").write_text("changed = True\n")

    with pytest.raises(ConfigError, match=r"the fusion or a task comes from cfg-outside"):
        check_packages(Params(values, ["pretrain.runs.first"]), project.plugins)


def test_a_package_that_is_as_recorded_is_accepted(project, outside):
    values = project.compose("fields.image=radar/dish")

    check_packages(Params(values, ["fields", "data", "training"]), project.plugins)


@pytest.mark.parametrize("keys", [["fields"], ["fields.image.package"], ["fields.image"]])
def test_a_package_with_other_code_is_refused(project, outside, keys):
    values = project.compose("fields.image=radar/dish")
    (outside / "radar.py").write_text("changed = True\n")

    with pytest.raises(ConfigError, match=r"fields.image.modality comes from cfg-outside 1.0 .* Run `mm compose`"):
        check_packages(Params(values, keys), project.plugins)


def test_a_fusion_with_other_code_is_refused(project, outside):
    values = project.compose("fusion=gate")
    (outside / "gate.py").write_text("changed = True\n")

    with pytest.raises(ConfigError, match=r"the fusion or a task comes from cfg-outside"):
        check_packages(Params(values, ["training"]), project.plugins)


def test_a_package_that_is_gone_is_told(project, outside):
    values = project.compose("fields.image=radar/dish")
    for file in (project.site / "cfg_outside-1.0.dist-info").iterdir():
        file.unlink()

    with pytest.raises(ConfigError, match=r"comes from cfg-outside 1.0, which is not installed"):
        check_packages(Params(values, ["fields"]), project.plugins)


def test_fields_that_are_alike_share_modality_encoder_and_fit(project):
    fields = project.compose("+fields.other={like: image, column: other_file}")["fields"]

    assert fields["other"]["encoder"] == fields["image"]["encoder"]
    assert fields["other"]["column"] == "other_file"
    assert fields["image"]["fit"] == fields["other"]["fit"] == ["image", "other"]
    assert fields["text"]["fit"] == ["text"]


def test_a_change_of_the_elder_reaches_those_that_are_like_it(project):
    fields = project.compose(
        "+fields.other={like: image}", "fields.image.encoder.widths=[4]", "fields.image.frozen=true"
    )["fields"]

    assert fields["other"]["encoder"]["widths"] == [4]
    assert fields["other"]["frozen"] is True


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            ["+fields.other={like: imgae}"],
            r"fields.other.like names 'imgae', which is no other field. Did you mean 'image'\?",
        ),
        (["+fields.other={like: image, encoder: rnn}"], r"has encoder .* of its own. Leave out one of the two"),
        (["+fields.a={like: image}", "+fields.b={like: a}"], r"which is itself like 'image'. Name that one"),
        (["+fields.other={column: x}"], r"fields.other has no modality"),
    ],
)
def test_a_mistake_in_like_is_told(project, choices, message):
    with pytest.raises(ConfigError, match=message):
        project.compose(*choices)


def test_a_file_that_is_gone_is_told(project):
    (project.site / "cfg_parts" / "image.py").unlink()

    with pytest.raises(
        ConfigError, match=r"cfg_parts.image:Image of cfg-parts 1.0 is registered but its file is not there"
    ):
        project.compose()


def test_files_that_settings_name_are_watched(project):
    (project.root / "weights").mkdir()
    (project.root / "weights" / "a.bin").write_bytes(b"1")
    part = {"name": "x", "weights": "weights/a.bin", "model": "weights", "inner": {"file": "weights/b.bin"}}

    assert files_of(part, project.root, where="fields.image.encoder") == ["weights/a.bin", "mmcore/data"]
    assert files_of(None, project.root, where="fields.label.encoder") == ["mmcore/data", "mmcore/data"]
    signs = {"long": "a/" * 5000, "odd": "a/\0", "line": "/", "here": "./", "above": "../", "word": "weights"}
    assert files_of(signs, project.root, where="x") == ["mmcore/data", "mmcore/data"]
    many = {name: f"weights/{name}.bin" for name in "abc"}
    for path in many.values():
        (project.root / path).write_bytes(b"1")
    with pytest.raises(ConfigError, match=r"fields.image.encoder names 3 files .* can watch 2"):
        files_of(many, project.root, where="fields.image.encoder")
