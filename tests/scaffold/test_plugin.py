import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from mmcore.errors import ConfigError
from mmcore.registry.plugins import GROUPS
from mmcore.scaffold.plugin import write_plugin
from tests.packages import found_in, register

ROOT = Path(__file__).parents[2]


@pytest.fixture
def empty(tmp_path):
    """Registries without a plugin."""
    return found_in(tmp_path / "site")


@pytest.mark.parametrize("kind", sorted(GROUPS))
def test_a_folder_is_whole(kind, tmp_path, empty):
    folder = write_plugin(kind, "radar_dish", into=tmp_path, plugins=empty)
    points = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]
    package = folder / "mm_radar_dish"

    assert folder.name == "mm-radar-dish"
    assert "radar_dish" in points[GROUPS[kind]]
    assert (package / "__init__.py").read_text() == ""
    assert (package / "conf" / kind / "radar_dish.yaml").is_file()
    assert (folder / "README.md").read_text().startswith("# mm-radar-dish\n")
    assert (folder / "tests" / "test_mm_radar_dish.py").is_file()
    assert not [path for path in folder.rglob("*") if path.is_file() and "$" in path.read_text()]


def test_tests_of_two_plugins_have_names_of_their_own(tmp_path, empty):
    one, other = (write_plugin("fusion", name, into=tmp_path, plugins=empty) for name in ("radar", "lidar"))
    names = [{path.name for path in (folder / "tests").iterdir()} for folder in (one, other)]
    assert not names[0] & names[1], "pytest ends in `import file mismatch` where it looks at both."


@pytest.mark.parametrize("name", ["off", "yes", "null"])
def test_a_name_that_yaml_takes_for_something_else_is_refused(name, tmp_path, empty):
    with pytest.raises(ConfigError, match=f"'{name}' cannot be a name: YAML reads it as (False|True|None)"):
        write_plugin("fusion", name, into=tmp_path, plugins=empty)
    assert not list(tmp_path.iterdir())


def test_a_new_source_cuts_at_line_ends_alone(tmp_path, empty, monkeypatch):
    monkeypatch.syspath_prepend(write_plugin("source", "sliced", into=tmp_path, plugins=empty))
    (tmp_path / "lines.txt").write_text("up\tone\u2028two\r\ndown\tthree\n", encoding="utf-8", newline="")
    source = import_module("mm_sliced.source").SlicedSource(path=str(tmp_path / "lines.txt"))
    assert [row["text"] for row in source.rows()] == ["one\u2028two", "three"]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What pytest says of the contracts of a new plugin of each kind: kind -> its lines; all of it under "".

    All in one process, which imports torch once.
    """
    root, folders = tmp_path_factory.mktemp("newcomers"), dict[str, Path]()
    for kind in sorted(GROUPS):
        folders[kind] = write_plugin(kind, f"newcomer_{kind}", into=root, plugins=found_in(root / "site"))
        _register(folders[kind])
    path = os.pathsep.join([*map(str, folders.values()), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    quiet = ["-q", "-rA", "-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", root]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, "--continue-on-collection-errors", *folders.values()],
        cwd=root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = re.findall(r"^(?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) .*", done.stdout, re.MULTILINE)
    told = {kind: [line for line in lines if f"{folder.name}/" in line] for kind, folder in folders.items()}
    return {**told, "": done.stdout[-3000:]}


def _register(folder):
    """What pip would write, without asking pip."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    points = project["entry-points"].items()
    lines = [line for group, names in points for line in (f"[{group}]", *(f"{a} = {b}" for a, b in names.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.slow  # the contracts of each kind, in a process of their own
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", sorted(GROUPS))
def test_a_new_plugin_keeps_its_contract_as_it_is(kind, outcomes):
    assert outcomes[kind], outcomes[""]
    assert [line for line in outcomes[kind] if not line.startswith("PASSED")] == [], outcomes[""]


@pytest.mark.parametrize("kind", sorted(GROUPS))
def test_a_new_plugin_is_in_our_style(kind, tmp_path, empty):
    write_plugin(kind, "newcomer", into=tmp_path / "plugins", plugins=empty)
    for arguments in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--config", ROOT / "pyproject.toml", "plugins"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


def test_a_modality_comes_with_an_encoder_that_reads_it(tmp_path, empty):
    folder = write_plugin("modality", "radar-dish", into=tmp_path, plugins=empty)

    assert 'consumes: ClassVar[str] = "radar-dish"' in (folder / "mm_radar_dish" / "mlp.py").read_text()
    assert (folder / "mm_radar_dish" / "conf" / "encoder" / "radar-dish-mlp.yaml").is_file()


@pytest.mark.parametrize("name", ["Radar", "1d", "a b", "a/b", "../x", "a__b", "a-", "", "x" * 41, "été", "a.b"])
def test_a_name_that_cannot_be_one_is_refused(name, tmp_path, empty):
    with pytest.raises(ConfigError, match=r"cannot be a name. Take lower-case letters"):
        write_plugin("encoder", name, into=tmp_path, plugins=empty)

    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_gets_the_nearest_one(tmp_path, empty):
    with pytest.raises(
        ConfigError, match=r"no kind 'modalty' of plugin. Did you mean 'modality'\? There is: connector"
    ):
        write_plugin("modalty", "x", into=tmp_path, plugins=empty)


def test_a_name_that_is_taken_is_refused_with_the_package_that_has_it(tmp_path):
    register(tmp_path / "site", "mm-other", plugins={"encoder": {"radar_mlp": "m:A"}})

    with pytest.raises(ConfigError, match=r"The encoder 'radar_mlp' is there already, in mm-other 1.0"):
        write_plugin("modality", "radar", into=tmp_path, plugins=found_in(tmp_path / "site"))


def test_a_folder_that_is_there_is_left_alone(tmp_path, empty):
    (tmp_path / "mm-radar").mkdir()
    (tmp_path / "mm-radar" / "mine.py").write_text("mine")

    with pytest.raises(ConfigError, match=r"mm-radar is there already. Choose another name"):
        write_plugin("encoder", "radar", into=tmp_path, plugins=empty)
    assert [path.name for path in (tmp_path / "mm-radar").iterdir()] == ["mine.py"]


@pytest.mark.parametrize("into", ["README.md", "README.md/below"])
def test_a_file_is_no_folder_to_write_to(into, tmp_path, empty):
    (tmp_path / "README.md").write_text("mine")

    with pytest.raises(
        ConfigError, match=r"README.md\S* is no folder to write to: Not a directory. Name another: --into"
    ):
        write_plugin("encoder", "radar", into=tmp_path / into, plugins=empty)
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize("kind", sorted(GROUPS))
def test_outside_the_clone_the_readme_says_what_holds_there(kind, tmp_path, empty, monkeypatch):
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    text = (write_plugin(kind, "radar", into=Path("../my own"), plugins=empty) / "README.md").read_text()

    assert "pip install --no-build-isolation -e '../my own/mm-radar'" in text
    assert "After editing run\n`mm compose`, in the clone" in text
    assert "plugins/mm-radar" not in text
    assert "is what DVC watches" not in text


def test_in_the_clone_dvc_watches_a_new_modality(tmp_path, empty, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (write_plugin("modality", "radar", into=Path("plugins"), plugins=empty) / "README.md").read_text()

    assert "-e plugins/mm-radar\n" in text
    assert "`modality.py` is what DVC watches" in text
    assert "outside of the clone" not in text


def test_a_package_that_can_be_imported_is_not_shadowed(tmp_path, empty, monkeypatch):
    (tmp_path / "path" / "mm_radar").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "path")

    with pytest.raises(ConfigError, match=r"The package 'mm_radar' is installed already"):
        write_plugin("encoder", "radar", into=tmp_path, plugins=empty)
