"""What a plugin's text tells of it: to import torch and timm for a list takes ten seconds."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint
from importlib.util import find_spec, resolve_name
from pathlib import Path

OUR_BASES = "mmcore.interfaces"


def looks_whole(point: EntryPoint) -> bool:
    """Whether its module is there with the class, and so is whatever it and its package's other modules import.

    Nothing is imported. What a module does while it is imported cannot be told: True is likely, False asks for a trial.
    """
    spec = _spec(point.module)
    if spec is None or not _whole(point.module):
        return False
    tree = _read(point.module)
    return tree is None or point.attr.split(".")[0] in _bound(tree.body)


def constant_of(point: EntryPoint, name: str) -> tuple[bool, str | None]:
    """Whether it can be told what a plugin's class has for `name`, and the text that stands there.

    None for one that the class and its bases leave as mmcore.interfaces has it. Nothing is imported.
    """
    try:
        return _constant_in(point.module, point.attr, name)
    except (SyntaxError, ValueError, ImportError, RecursionError):
        return False, None


def _constant_in(module: str, title: str, name: str) -> tuple[bool, str | None]:
    """The same of the class `title` that a module holds, or imports from another."""
    if module.startswith(OUR_BASES):
        return True, None
    tree = _read(module)
    if tree is None or _assigns_attribute(tree, name):
        return False, None
    match [node for node in tree.body if _binds(node, title)]:
        case [ast.ImportFrom(names=names) as node]:
            source = resolve_name("." * node.level + (node.module or ""), _package_of(module))
            named = {alias.asname or alias.name: alias.name for alias in names}
            return _constant_in(source, named[title], name) if title in named else (False, None)
        case [ast.ClassDef(decorator_list=[], keywords=[]) as found]:
            return _constant_of_class(found, module, name)
    return False, None


def _constant_of_class(found: ast.ClassDef, module: str, name: str) -> tuple[bool, str | None]:
    match [node for node in found.body if _binds(node, name)]:
        case [ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name()) as node]:
            match node.value:
                case ast.Constant(value=str(text)):
                    return True, text
            return False, None
        case [_, *_]:  # twice, or by an `if`: which of them counts cannot be told
            return False, None
    for base in found.bases:
        told = _constant_in(module, base.id, name) if isinstance(base, ast.Name) else (False, None)
        if told != (True, None):
            return told
    return True, None


def _binds(statement: ast.stmt, name: str) -> bool:
    """Whether a statement, or one inside of it, may give `name` something to stand for, or take that away."""
    return any(
        (isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name)
        or (isinstance(node, ast.alias) and (node.asname or node.name.split(".")[0]) in (name, "*"))
        for node in ast.walk(statement)
    )


def _assigns_attribute(tree: ast.Module, name: str) -> bool:
    """Whether a module says `.. .NAME = ..` anywhere, of a class or of what was made of one."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == name)
    return any(not isinstance(node.ctx, ast.Load) for node in found)


@cache
def _whole(module: str) -> bool:
    """Whether what a module of a plugin's package imports at its top is there, and theirs."""
    seen, waiting, top = set[str](), [module], module.split(".")[0]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if _spec(name) is None:
            return False
        if name.split(".")[0] != top:
            continue  # a library's own modules are its own affair
        try:
            tree = _read(name)
            waiting += [*_parents(name), *(_imported(tree.body, name) if tree is not None else ())]
        except (SyntaxError, ValueError, ImportError):  # of the last kind: from .... import, past the package
            return False
    return True


def _parents(name: str) -> Iterator[str]:
    steps = name.split(".")
    yield from (".".join(steps[:count]) for count in range(1, len(steps)))


def _imported(body: Sequence[ast.stmt], module: str) -> Iterator[str]:
    """What is imported for certain: not inside of `try`, of a condition or of a function."""
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from (alias.name, *_parents(alias.name))
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), _package_of(module))
            yield from (source, *_parents(source))
            if source.split(".")[0] == module.split(".")[0]:
                # What is not there as a module may be a name that the package gives.
                inside = (f"{source}.{alias.name}" for alias in node.names)
                yield from (name for name in inside if _spec(name) is not None)


def _package_of(module: str) -> str:
    """What `.` stands for in a module."""
    spec = _spec(module)
    whole = spec is not None and spec.submodule_search_locations is not None
    return module if whole else module.rpartition(".")[0]


def _bound(body: Sequence[ast.stmt]) -> set[str]:
    """The names that a module's top gives, in `try` and conditions too."""
    found = set[str]()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
        for part in ("body", "orelse", "handlers", "finalbody"):
            inside = [] if isinstance(node, ast.ClassDef | ast.FunctionDef) else getattr(node, part, [])
            found |= _bound(inside)
    return found


@cache
def _read(module: str) -> ast.Module | None:
    """None where there is no text to read: compiled modules, folders without `__init__`."""
    spec = _spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return ast.parse(Path(spec.origin).read_bytes())


@cache
def _spec(module: str) -> ModuleSpec | None:
    """Where a module lies. `find_spec("a.b")` would import `a`, so only the first name is asked for in that way."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except ValueError:  # __main__ and other modules that say nothing of where they come from
        return None
    name = top
    for step in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{step}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec
