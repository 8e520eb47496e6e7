import pytest

from mmcore.errors import ConfigError, PluginError
from mmcore.registry.settings import Part
from tests.packages import found_in, register, write_package

GOOD = "class Good:\n    def __init__(self, facts, *, width: int = 3): self.facts, self.width = facts, width\n"
TOO_WIDE = """
    @classmethod
    def settings_fault(cls, settings): return "too wide." if settings["width"] > 2 else None
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_listing_names_imports_nothing(site):
    write_package(site, "reg-silent", plugins={"encoder": {"b": "code:B", "a": "code:A"}})

    assert found_in(site).encoder.names() == ["a", "b"]


def test_a_misspelt_name_gets_the_nearest_one_and_what_is_there(site):
    register(site, "reg-some", plugins={"modality": {"image": "m:I", "text": "m:T"}})

    with pytest.raises(
        PluginError, match=r"No plugin 'imgae' in mmcore.modalities. Did you mean 'image'\? Installed: image, text."
    ):
        found_in(site).modality.point("imgae")


def test_nothing_installed_is_said(site):
    with pytest.raises(PluginError, match=r"Installed: none."):
        found_in(site).fusion.point("film")


def test_two_packages_with_one_name_are_both_named(site):
    register(site, "reg-one", plugins={"encoder": {"cnn": "m:A"}})
    register(site, "reg-two", plugins={"encoder": {"cnn": "m:B"}})

    with pytest.raises(PluginError, match=r"registered by reg-one and reg-two. Uninstall one"):
        found_in(site).encoder.load("cnn")


def test_a_clash_leaves_other_names_alone(site):
    write_package(site, "reg-one", plugins={"encoder": {"cnn": "m:A", "good": "good:Good"}}, modules={"good": GOOD})
    register(site, "reg-two", plugins={"encoder": {"cnn": "m:B"}})

    assert found_in(site).encoder.load("good").__name__ == "Good"


def test_a_package_that_is_found_twice_is_no_clash(site):
    register(site / "here", "reg-twice", plugins={"encoder": {"cnn": "m:A"}})
    register(site / "there", "reg-twice", plugins={"encoder": {"cnn": "m:A"}})
    points = [*found_in(site / "here").encoder.points(), *found_in(site / "there").encoder.points()]

    from mmcore.registry.plugins import Registry

    assert len(Registry("encoder", lambda group: points).points()) == 1


def test_a_library_that_is_missing_is_told_with_plugin_and_package(site):
    modules = {"deep": "import no_such_library\n"}
    write_package(site, "reg-lacking", plugins={"encoder": {"deep": "deep:Deep"}}, modules=modules)

    message = (
        r"'deep' \(reg_lacking.deep:Deep of reg-lacking 1.0\) does not import: ModuleNotFoundError: .*no_such_library"
    )
    with pytest.raises(PluginError, match=message):
        found_in(site).encoder.load("deep")


def test_a_class_that_is_not_there_is_told(site):
    write_package(site, "reg-gone", plugins={"encoder": {"x": "code:Gone"}}, modules={"code": ""})

    with pytest.raises(PluginError, match=r"has no attribute 'Gone'"):
        found_in(site).encoder.load("x")


def test_what_is_no_class_is_refused(site):
    write_package(site, "reg-func", plugins={"encoder": {"x": "code:x"}}, modules={"code": "def x(): pass\n"})

    with pytest.raises(PluginError, match=r"is a function, not a class"):
        found_in(site).encoder.load("x")


def test_rows_tell_which_plugin_is_broken_and_go_on(site):
    modules = {"deep": "raise RuntimeError('no licence')\n", "good": GOOD}
    plugins = {"encoder": {"deep": "deep:Deep", "good": "good:Good"}}
    write_package(site, "reg-mixed", plugins=plugins, modules=modules)

    deep, good = found_in(site).encoder.rows()

    assert (deep.name, deep.package, deep.version) == ("deep", "reg-mixed", "1.0")
    assert "no licence" in deep.error
    assert good.error is None


def test_building_hands_on_what_the_data_says_and_the_settings(site):
    write_package(site, "reg-built", plugins={"encoder": {"good": "good:Good"}}, modules={"good": GOOD})

    built = found_in(site).encoder.build(Part("good", {"width": 5}), {"channels": 3}, where="fields.image.encoder")

    assert (built.facts, built.width) == ({"channels": 3}, 5)


def test_settings_that_contradict_each_other_build_nothing(site):
    write_package(site, "reg-against", plugins={"encoder": {"good": "good:Good"}}, modules={"good": GOOD + TOO_WIDE})
    encoders = found_in(site).encoder

    assert encoders.build(Part("good", {"width": 2}), {}, where="fields.x.encoder").width == 2
    with pytest.raises(ConfigError, match=r"^fields\.x\.encoder: too wide\.$"):  # as it is by default
        encoders.build(Part("good", {}), {}, where="fields.x.encoder")


def test_settings_that_contradict_each_other_are_right_each_by_itself(site):
    write_package(site, "reg-alone", plugins={"encoder": {"good": "good:Good"}}, modules={"good": GOOD + TOO_WIDE})
    encoders = found_in(site).encoder

    assert encoders.check(Part("good", {}), where="fields.x.encoder", together=False)[1] == {}
    with pytest.raises(ConfigError, match="width"):
        encoders.check(Part("good", {"width": "x"}), where="fields.x.encoder", together=False)
