"""A model and the code from outside that made it: an edit under the same version is told."""

import importlib
import sys
import warnings

import pytest
import yaml

from mmcore.errors import ArtifactError, EditedCode, PluginError
from mmcore.model.assemble import assemble
from mmcore.model.folder import load_model, save_model
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.predictor import Predictor
from mmcore.registry.origin import package_record
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import Part
from mmcore.testing.toys import toy_modalities
from mmcore.testing.toys.kit import toy_entry_points
from tests.packages import found_in, write_package

MELT = """
from mmcore.testing.toys.fusion import ToyConcat

class Melt(ToyConcat):
    def __init__(self, ports, *, width: int = 8):
        super().__init__(ports, width=width)
"""
PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "label": Part("label", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {}))},
    fusion=Part("melt", {}),
    tasks={"answer": Part("toy_classification", {"target": "label"})},
)
ROW = {"vector": "0.5 -0.25 0.125"}


class Outside:
    """A package from outside with the fusion `melt`, and models that were made with it."""

    def __init__(self, site):
        self.site, self.module = site, "edited_outside.melt"
        self.package = write_package(
            site, "edited-outside", plugins={"fusion": {"melt": "melt:Melt"}}, modules={"melt": MELT}
        )

    @property
    def plugins(self):
        there = found_in(self.site).fusion.points()
        return Plugins.of(lambda group: [*toy_entry_points(group), *(one for one in there if one.group == group)])

    @property
    def digest(self):
        return package_record(self.plugins.fusion.point("melt")).digest

    def save(self, folder, **code):
        fields = {name: found for name, found in toy_modalities().items() if name in PLAN.modalities}
        model, columns = assemble(PLAN, fields, seed=0, plugins=self.plugins), dict.fromkeys(fields, "column")
        save_model(folder, model, plan=PLAN, modalities=fields, columns=columns, code=code, plugins=self.plugins)
        return folder

    def edit(self, text):
        (self.package / "melt.py").write_text(text)
        sys.modules.pop(self.module, None)
        importlib.invalidate_caches()


@pytest.fixture
def outside(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Outside(tmp_path / "site")
    for name in ("edited_outside.melt", "edited_outside"):
        sys.modules.pop(name, None)


@pytest.fixture
def model(outside, tmp_path):
    return outside.save(tmp_path / "model", **{"edited-outside": outside.digest, "of-another-model": "0" * 16})


def test_a_model_keeps_the_digests_of_the_packages_from_outside_that_it_is_made_of(outside, model):
    assert yaml.safe_load((model / "model.yaml").read_text())["code"] == {"edited-outside": outside.digest}


def test_a_model_with_nothing_from_outside_keeps_none(outside, tmp_path):
    assert "code" not in yaml.safe_load((outside.save(tmp_path / "m") / "model.yaml").read_text())


def test_by_the_code_that_made_it_a_model_answers_in_silence(outside, model):
    assert Predictor.load(model, outside.plugins).predict([ROW])


def test_an_edit_under_the_same_version_is_told_in_one_line(outside, model):
    then = outside.digest
    outside.edit(MELT + "# mended\n")

    with pytest.warns(EditedCode) as told:
        Predictor.load(model, outside.plugins)

    (line,) = (str(one.message) for one in told)
    assert f"{model} was made with other code of edited-outside 1.0 (code {outside.digest} now, {then} then)" in line
    assert "\n" not in line


def test_vectors_that_other_code_embedded_are_not_found_again(outside, model):
    before = Predictor.load(model, outside.plugins).digest
    outside.edit(MELT + "# mended\n")
    with pytest.warns(EditedCode):
        after = Predictor.load(model, outside.plugins).digest

    assert after != before


def test_a_folder_of_before_there_were_digests_loads(outside, tmp_path):
    folder = outside.save(tmp_path / "old")
    outside.edit(MELT + "# mended\n")

    assert load_model(folder, plugins=outside.plugins).edited == ()


def test_another_version_of_the_series_is_its_makers_promise(outside, model):
    outside.edit(MELT + "# mended\n")
    (info,) = outside.site.glob("*.dist-info")
    (info / "METADATA").write_text((info / "METADATA").read_text().replace("1.0", "1.1"))

    assert load_model(model, plugins=outside.plugins).edited == ()


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("width=width", "width=width + 1", "of another shape"),
        ("width: int = 8", "wide: int", "needs wide"),
        ("super()", "{}['melt']; super()", r"KeyError\('melt'\)"),
    ],
)
def test_where_other_code_cannot_load_a_model_the_package_is_named(outside, model, old, new, wrong):
    outside.edit(MELT.replace(old, new))

    with pytest.raises(ArtifactError, match=rf"other code of edited-outside 1\.0 .* Put that code back.*{wrong}"):
        load_model(model, plugins=outside.plugins)


def test_where_the_code_is_the_same_the_fault_is_told_alone(outside, model):
    about = yaml.safe_load((model / "model.yaml").read_text())
    about["plan"]["tasks"]["answer"]["name"] = "gone"
    (model / "model.yaml").write_text(yaml.safe_dump(about))

    with pytest.raises(PluginError, match=r"^No plugin 'gone'"):
        load_model(model, plugins=outside.plugins)


def test_the_warning_is_one_line_on_the_command_line(monkeypatch):
    from mmcore.cli import terminal

    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    terminal.warn_in_one_line()

    assert warnings.formatwarning(EditedCode("it was edited."), EditedCode, "a.py", 1) == "mm: it was edited.\n"
    assert "a.py:1" in warnings.formatwarning(UserWarning("other"), UserWarning, "a.py", 1)
