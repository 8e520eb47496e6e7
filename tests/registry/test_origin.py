import sys

import pytest

from mmcore.registry.origin import code_of, conf_of, package_record, watched_code
from tests.packages import found_in, write_package


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_code_and_conf_are_found_without_importing_the_package(site):
    plugins = {"encoder": {"cnn": "deep.cnn:CNN"}}
    package = write_package(site, "origin-lazy", plugins=plugins, conf={"encoder/cnn": "name: cnn"})
    point = found_in(site).encoder.point("cnn")

    assert code_of(point) == package / "deep" / "cnn.py"
    assert conf_of(point) == package / "conf"
    assert package_record(point).name == "origin-lazy"
    assert "origin_lazy" not in sys.modules


def test_a_module_that_is_a_folder_is_watched_as_one(site):
    modules = {"image.__init__": "from origin_folder.image.read import x\n", "image.read": "x = 1\n"}
    package = write_package(site, "origin-folder", plugins={"modality": {"image": "image:Image"}}, modules=modules)

    assert watched_code(found_in(site).modality.point("image")) == package / "image"


def test_a_module_that_needs_the_rest_of_its_package_is_watched_with_it(site):
    modules = {"image": "def read():\n    from origin_whole.pixels import x\n", "pixels": "x = 1\n"}
    package = write_package(site, "origin-whole", plugins={"modality": {"image": "image:Image"}}, modules=modules)

    assert watched_code(found_in(site).modality.point("image")) == package


def test_the_digest_changes_with_the_code_alone(site):
    modules = {"image": "x = 1\n"}
    package = write_package(site, "origin-digest", plugins={"modality": {"image": "image:Image"}}, modules=modules)
    point = found_in(site).modality.point("image")
    before = package_record(point)

    (package / "README.md").write_text("words")
    assert package_record(point) == before
    (package / "other.py").write_text("y = 2\n")
    assert package_record(point).digest != before.digest


def test_a_package_that_is_gone_has_no_code(site):
    from tests.packages import register

    register(site, "origin-gone", plugins={"encoder": {"cnn": "m:A"}})
    point = found_in(site).encoder.point("cnn")

    assert code_of(point) is None
    assert conf_of(point) is None
