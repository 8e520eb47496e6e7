"""What stages made before from the same settings, rows and code: linked, not made again.

Many runs of a benchmark differ in a seed or a fusion alone. DVC's run cache does this for a project; scratch folders
have none.
"""

import hashlib
import importlib
import json
import os
import shutil
from functools import cache
from pathlib import Path

import yaml

from mmcore.cli.stage import run_stage
from mmcore.config.params import look_up
from mmcore.stages.paths import Paths

ROOT = Path(__file__).parents[2]


def bring(stage: str, shelf: Path, *, field: str | None = None) -> None:
    """Link the outputs of a stage in the current folder from `shelf`, or run it and put them there."""
    paths = Paths(Path())
    output, inputs = _places(stage, paths, field)
    kept = shelf / _key(stage, field, inputs, paths)
    if kept.exists():
        _link(kept, output)
        return
    run_stage(stage, field=field)
    part = kept.with_name(f"{kept.name}.{os.getpid()}")
    _link(output, part)
    os.replace(part, kept) if not kept.exists() else _forget(part)


def _places(stage: str, paths: Paths, field: str | None) -> tuple[Path, list[Path]]:
    """What a stage writes, and what it reads besides settings and code."""
    if field is None:
        return paths.floors, [paths.manifest, paths.inputs]
    before = {"fit": [], "encode": [paths.fit(field)], "features": [paths.fit(field), paths.store(field)]}
    output = {"fit": paths.fit(field), "encode": paths.store(field), "features": paths.features(field)}
    return output[stage], [paths.manifest, *before[stage]]


def _key(stage: str, field: str | None, inputs: list[Path], paths: Paths) -> str:
    values = yaml.safe_load(paths.params.read_text(encoding="utf-8"))
    keys = [key.format(field=field) for key in importlib.import_module(f"mmcore.stages.{stage}").READS]
    settings = json.dumps({key: look_up(values, key) for key in keys}, sort_keys=True)
    parts = [stage, settings, _code(), *(_digest(path) for path in inputs)]
    return f"{stage}-{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:24]}"


@cache
def _code() -> str:
    """Of everything that a stage may import from here."""
    files = sorted(path for top in ("mmcore", "plugins") for path in (ROOT / top).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    found = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            found.update(hashlib.file_digest(opened, "sha256").digest())
    return found.hexdigest()


def _link(source: Path, target: Path) -> None:
    """`source`, file or folder, under a second name; nothing writes into what a stage has finished."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _forget(target)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
    else:
        os.link(source, target)


def _forget(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
