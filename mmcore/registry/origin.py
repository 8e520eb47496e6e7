"""Where a plugin's code lies, found without importing it."""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from mmcore.registry.plugins import GROUPS, package_of

DIGEST_LENGTH = 16
RELATIVE = re.compile(rb"\bfrom\s*\\?\s*\.")


@dataclass(frozen=True)
class PackageSettings:
    """A plugin's package from outside this repository, as `mm compose` found it."""

    name: str
    version: str
    digest: str


def top_folder(point: EntryPoint) -> Path | None:
    """The folder of the package that the entry point starts with; None where it is a single module, or is gone.

    Only the first name is asked for: `find_spec("a.b")` would import `a`.
    """
    places = _places(point)
    return places[0] if places else None


def code_of(point: EntryPoint) -> Path | None:
    """The module's file, or its folder where the module is a package; None where it is not there."""
    _, *rest = point.module.split(".")
    if not rest:
        spec = find_spec(point.module)
        if spec is None or spec.origin is None:
            return None
        origin = Path(spec.origin)
        return origin.parent if origin.name == "__init__.py" else origin
    for place in _places(point):
        path = place.joinpath(*rest)
        if path.is_dir():
            return path
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
    return None


def watched_code(point: EntryPoint) -> Path | None:
    """The least that has to be watched: its file or folder, or the whole package where it imports the rest of it."""
    code, top = code_of(point), top_folder(point)
    if code is None or top is None or code == top:
        return code
    inside = f"{point.module}."
    files = code.rglob("*.py") if code.is_dir() else [code]
    for name in (name for file in files for name in _imports(file, top.name)):
        if name != point.module and not name.startswith(inside):
            return top
    return code


def conf_of(point: EntryPoint) -> Path | None:
    """The folder with the package's choices; None where it ships none."""
    return next((place / "conf" for place in _places(point) if (place / "conf").is_dir()), None)


def package_record(point: EntryPoint) -> PackageSettings:
    """Name, version and a digest of all its code: an editable install changes without changing its version."""
    name, version = package_of(point)
    digest = hashlib.sha256()
    for relative, path in sorted(_code(point)):
        digest.update(relative.encode() + b"\0" + path.read_bytes() + b"\0")
    return PackageSettings(name, version, digest.hexdigest()[:DIGEST_LENGTH])


def _places(point: EntryPoint) -> list[Path]:
    spec = find_spec(point.module.split(".")[0])
    if spec is None or spec.submodule_search_locations is None:
        return []
    return [Path(place).resolve() for place in spec.submodule_search_locations]


def _code(point: EntryPoint) -> Iterator[tuple[str, Path]]:
    """Every source file of the distribution's plugins, by its path from the folder that its package lies in."""
    siblings = (
        [] if point.dist is None else [other for other in point.dist.entry_points if other.group in GROUPS.values()]
    )
    for top in {other.module.split(".")[0]: other for other in [point, *siblings]}.values():
        for place in _places(top):
            yield from ((path.relative_to(place.parent).as_posix(), path) for path in place.rglob("*.py"))
        file = None if _places(top) else code_of(top)
        if file is not None:
            yield file.name, file


def _imports(file: Path, top: str) -> Iterator[str]:
    """Modules of the package `top` that a file imports."""
    content = file.read_bytes()
    if top.encode() not in content and RELATIVE.search(content) is None:
        return  # most files need not be parsed
    for node in ast.walk(ast.parse(content)):
        names = list[str]()
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            names = [top]  # relative: whatever it is, it is of this package
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        yield from (name for name in names if name.split(".")[0] == top)
