"""Packages with plugins, written to a folder and found there: what is installed is never asked."""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

from mmcore.registry.plugins import GROUPS, Plugins

NOT_TO_BE_IMPORTED = 'raise AssertionError("a plugin was imported")\n'


def write_package(
    site: Path,
    name: str,
    *,
    plugins: Mapping[str, Mapping[str, str]],
    conf: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
    version: str = "1.0",
) -> Path:
    """A package as pip would have installed it.

    plugins: kind -> name -> `module:Class` inside the package. conf: `encoder/cnn` -> YAML. modules: name -> source;
    each that is named by a plugin and not given fails when it is imported, and so does the package itself.
    """
    package = site / name.replace("-", "_")
    package.mkdir(parents=True)
    given = dict(modules or {})
    targets = {target.split(":")[0] for names in plugins.values() for target in names.values()}
    sources = {"__init__": "" if given else NOT_TO_BE_IMPORTED, **dict.fromkeys(targets, NOT_TO_BE_IMPORTED), **given}
    for module, source in sources.items():
        path = package / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    for path, text in (conf or {}).items():
        file = package / "conf" / f"{path}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    register(site, name, plugins=plugins, version=version)
    return package


def register(site: Path, name: str, *, plugins: Mapping[str, Mapping[str, str]], version: str = "1.0") -> None:
    """The metadata alone, with entry points into a package that may not be there."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = list[str]()
    for kind, names in plugins.items():
        lines += [f"[{GROUPS[kind]}]", *(f"{key} = {name.replace('-', '_')}.{at}" for key, at in names.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def found_in(site: Path) -> Plugins:
    """Registries over the packages of one folder."""

    def find(group: str) -> Iterable[EntryPoint]:
        points = (point for package in distributions(path=[str(site)]) for point in package.entry_points)
        return [point for point in points if point.group == group]

    return Plugins.of(find)
