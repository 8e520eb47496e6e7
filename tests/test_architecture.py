"""Who may import whom, where each library lives, and what files look like; plugins are read from the disk."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 300
EMPTY_NAMES = re.compile(r"(utils?|helpers?|common|misc|base|core)\.py")

ROWS = (
    {"cli"},
    {"search.trial"},  # one trial is some stages, in a folder of its own
    {"stages", "predictor", "doctor", "testing"},
    {"config", "report", "scaffold", "search", "releases"},
    {"training", "evaluation"},
    {"data", "model", "runtime"},
    {"layers"},
    {"interfaces", "registry"},
    {"errors"},
)
"""From top to bottom: a row imports the rows under it, never a row above or beside it."""

SETTINGS_ALONE = {"config", "scaffold", "search", "releases"}
"""Of the rows between theirs and the interfaces they may import only modules called `settings`."""
WITHOUT_TORCH = {"config", "report", "scaffold", "search", "releases", "cli", "registry"}
FOR_PLUGINS = {"interfaces", "layers", "errors"}
FOR_FLOWS = {"search", "releases", "config", "errors", "registry"}

IMPORT_NAMES = {
    "pyyaml": "yaml",
    "jinja2": "jinja2",
    "scikit-learn": "sklearn",
    "hydra-core": "hydra",
    "lightning-fabric": "lightning_fabric",
    "pillow": "PIL",
}
"""Distributions whose module is called otherwise."""
ALONG_WITH = {"hydra": {"omegaconf"}, "lightning_fabric": {"lightning"}}
"""Libraries that belong to another one."""
AT_HOME_IN_PLUGINS = ("timm", "tokenizers", "transformers", "soundfile", "soxr", "peft", "jieba", "torchvision", "PIL")


@dataclass(frozen=True)
class Import:
    """One module that a file imports, wherever in the file."""

    file: Path
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.name}"


def imports_of(file: Path) -> Iterator[Import]:
    """Also those inside functions, and those for type checkers alone."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file.relative_to(ROOT)}:{node.lineno} imports by a relative path"
            assert node.module
            for alias in node.names:
                inner = ROOT / Path(*node.module.split("."), alias.name)
                is_module = inner.with_suffix(".py").is_file() or inner.is_dir()
                yield Import(file, node.lineno, f"{node.module}.{alias.name}" if is_module else node.module)


def python_files(*folders: str) -> list[Path]:
    """Every Python file that git would keep, below folders of the repository."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if not {".venv", "build", "__pycache__"} & set(path.parts))


def plugin_files() -> list[Path]:
    return [path for path in python_files("plugins") if "tests" not in path.relative_to(ROOT).parts]


def part_of(module: str) -> str:
    """`mmcore.search.trial` -> `search.trial`, `mmcore.data.split` -> `data`; empty for mmcore itself."""
    steps = module.split(".")[1:]
    return "search.trial" if steps[:2] == ["search", "trial"] else (steps or [""])[0]


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def row_of(part: str) -> int:
    found = [number for number, row in enumerate(ROWS) if part in row]
    assert found, f"mmcore.{part} stands in no row of this test: put it where it belongs"
    return found[0]


def may_import(importer: str, imported: str) -> bool:
    """Both are modules of mmcore."""
    part, other = part_of(importer), part_of(imported)
    if part == other or other == "":
        return True
    if part == "":  # mmcore/__init__.py and py.typed belong to nobody
        return False
    only_settings = imported.endswith(".settings")
    if part == "cli":
        return other != "testing"
    if row_of(part) == row_of(other):
        return part == "config" and only_settings
    if row_of(part) > row_of(other):
        return False
    between = row_of(part) < row_of(other) < row_of("interfaces")
    return only_settings or not (part in SETTINGS_ALONE and between)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("mmcore.stages.train", "mmcore.training.loop", True),
        ("mmcore.training.loop", "mmcore.config.params", False),
        ("mmcore.training.loop", "mmcore.evaluation.predict", False),
        ("mmcore.config.sections", "mmcore.training.settings", True),
        ("mmcore.config.sections", "mmcore.training.loop", False),
        ("mmcore.data.store", "mmcore.model.folder", False),
        ("mmcore.cli.main", "mmcore.testing.plugin", False),
        ("mmcore.search.trial.training", "mmcore.stages.train", True),
        ("mmcore.search.session", "mmcore.stages.train", False),
        ("mmcore.stages.train", "mmcore.search.trial.training", False),
        ("mmcore.interfaces.field", "mmcore.errors", True),
    ],
)
def test_this_test_knows_the_rows(importer, imported, allowed):
    assert may_import(importer, imported) == allowed


def test_mmcore_imports_only_downwards():
    wrong = [
        str(found)
        for file in python_files("mmcore")
        for found in imports_of(file)
        if found.name.split(".")[0] == "mmcore" and not may_import(module_of(file), found.name)
    ]
    assert not wrong, "\n".join(wrong)


def test_mmcore_knows_neither_flows_nor_a_plugin():
    packages = {"flows"} | {file.parent.name for file in ROOT.glob("plugins/*/*/__init__.py")}
    wrong = [
        str(found)
        for file in python_files("mmcore")
        for found in imports_of(file)
        if found.name.split(".")[0] in packages
    ]
    assert not wrong, "\n".join(wrong)


def test_flows_know_releases_search_and_config_alone():
    wrong = [
        str(found)
        for file in python_files("flows")
        for found in imports_of(file)
        if found.name == "torch" or (found.name.startswith("mmcore.") and part_of(found.name) not in FOR_FLOWS)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_plugin_knows_interfaces_layers_and_errors_alone():
    packages = {file.parent.name for file in ROOT.glob("plugins/*/*/__init__.py")}
    wrong = list[str]()
    for file in plugin_files():
        own = file.relative_to(ROOT / "plugins").parts[1].removesuffix(".py")
        for found in imports_of(file):
            top = found.name.split(".")[0]
            other_plugin = top in packages and top != own
            inside = top == "mmcore" and part_of(found.name) not in FOR_PLUGINS
            if other_plugin or inside or top in ("flows", "hydra", "omegaconf"):
                wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def test_torch_stays_below():
    wrong = [
        str(found)
        for file in python_files("mmcore")
        for found in imports_of(file)
        if found.name.split(".")[0] == "torch" and part_of(module_of(file)) in WITHOUT_TORCH
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "module",
    ["mmcore.config.compose", "mmcore.config.update", "mmcore.cli.main", "mmcore.cli.stage", "mmcore.registry.plugins"],
)
def test_importing_the_upper_modules_does_not_bring_torch_in(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def homes() -> dict[str, list[str]]:
    """Library -> the paths that pyproject.toml names beside it in `# Only used in ..`; `plugins` is a path too."""
    found = dict[str, list[str]]()
    for name, words in re.findall(
        r'^\s*"([\w-]+)[^"]*",?\s*# Only used in ([^;\n]+)', (ROOT / "pyproject.toml").read_text(), re.M
    ):
        paths = re.findall(r"[\w/.]+", words.replace(" and ", " ").split(", which")[0])
        library = IMPORT_NAMES.get(name.lower(), name.replace("-", "_"))
        for one in {library, *ALONG_WITH.get(library, ())}:
            found[one] = ["plugins" if path == "sources" else path for path in paths]
    return found


def test_pyproject_names_the_homes():
    assert homes()["hydra"] == ["mmcore/config"]


def test_every_library_has_one_home():
    wrong = list[str]()
    for file in [*python_files("mmcore", "flows"), *plugin_files()]:
        path = file.relative_to(ROOT).as_posix()
        for found in imports_of(file):
            allowed = homes().get(found.name.split(".")[0])
            if allowed is not None and not any(
                path == home or path.startswith(f"{home.rstrip('/')}/") for home in allowed
            ):
                wrong.append(f"{found}; its home is {' and '.join(allowed)}")
    assert not wrong, "\n".join(wrong)


def test_libraries_of_plugins_stay_there():
    wrong = [
        str(found)
        for file in python_files("mmcore", "flows")
        for found in imports_of(file)
        if found.name.split(".")[0] in AT_HOME_IN_PLUGINS
    ]
    assert not wrong, "\n".join(wrong)


def test_a_plugin_names_the_libraries_it_imports():
    wrong = list[str]()
    for project in sorted(ROOT.glob("plugins/*/pyproject.toml")):
        about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        asked = [
            *about["dependencies"],
            *(name for more in about.get("optional-dependencies", {}).values() for name in more),
        ]
        names = {re.split(r"[^\w-]", name)[0].lower() for name in asked}
        known = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names} | {"torch", "numpy", "mmcore"}
        known |= {folder.name for folder in project.parent.iterdir()} | set(sys.stdlib_module_names)
        for file in plugin_files():
            if file.is_relative_to(project.parent):
                wrong += [str(found) for found in imports_of(file) if found.name.split(".")[0] not in known]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("project", sorted(ROOT.glob("plugins/*/pyproject.toml")), ids=lambda path: path.parent.name)
def test_every_plugin_folder_is_whole(project):
    folder = project.parent
    package = folder / folder.name.replace("-", "_")
    about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    assert about["name"] == folder.name
    assert (folder / "README.md").is_file()
    assert (package / "__init__.py").read_text(encoding="utf-8") == "", (
        "a missing library of one part would take down all"
    )
    assert any((folder / "tests").rglob("test_*.py")), "it has no tests"
    for group, points in about["entry-points"].items():
        kind = {"modalities": "modality"}.get(
            group.removeprefix("mmcore."), group.removeprefix("mmcore.").removesuffix("s")
        )
        for name, target in points.items():
            assert (package / "conf" / kind / f"{name}.yaml").is_file(), f"{kind} {name} has no conf/{kind}/{name}.yaml"
            module = folder / Path(*target.split(":")[0].split("."))
            assert module.with_suffix(".py").is_file() or module.is_dir(), f"{target} names no module"


def test_no_file_is_too_long():
    files = [*python_files("mmcore", "flows"), *plugin_files()]
    long = {
        str(file.relative_to(ROOT)): lines
        for file in files
        if (lines := len(file.read_bytes().splitlines())) > LONGEST_FILE
    }
    assert not long, f"split by subject: {long}"


def test_file_names_say_something():
    files = [*python_files("mmcore", "flows"), *plugin_files()]
    assert not [str(file.relative_to(ROOT)) for file in files if EMPTY_NAMES.fullmatch(file.name)]


def test_no_file_shadows_a_package():
    ours = {"dvc", "torch", "yaml", "hydra", "prefect", "optuna", "timm", "tokenizers", "typer", "rich", "numpy"}
    assert not [str(file.relative_to(ROOT)) for file in python_files("mmcore", "flows", "plugins") if file.stem in ours]


def test_every_init_is_empty_or_a_face():
    wrong = list[str]()
    for file in python_files("mmcore", "flows", "plugins"):
        if file.name == "__init__.py":
            wrong += [
                f"{file.relative_to(ROOT)}:{node.lineno}"
                for node in ast.parse(file.read_bytes()).body
                if not _of_a_face(node) and not _settles_the_environment(file, node)
            ]
    assert not wrong, f"defined in an __init__.py: {wrong}"


def _settles_the_environment(file: Path, node: ast.stmt) -> bool:
    """flows/__init__.py calls one function: Prefect and DVC read the environment while they are imported."""
    return file == ROOT / "flows" / "__init__.py" and ast.unparse(node) == "settle()"


def _of_a_face(node: ast.stmt) -> bool:
    """A docstring, an import, or `__all__`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)] == ["__all__"]
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_every_module_begins_by_saying_what_it_is_for():
    files = [*python_files("mmcore", "flows"), *plugin_files()]
    silent = [
        file for file in files if file.name != "__init__.py" and not ast.get_docstring(ast.parse(file.read_bytes()))
    ]
    assert not [str(file.relative_to(ROOT)) for file in silent]
