"""What decides a result: the name under which an unfinished training, or what was read, is found again."""

import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmcore.config.params import Params, look_up
from mmcore.data.files import digest_of_folder, sha256_of
from mmcore.data.writing import json_text
from mmcore.errors import ArtifactError
from mmcore.interfaces.modality import Modality
from mmcore.model.folder import packages_of, points_of
from mmcore.model.plan import ModelPlan
from mmcore.registry.origin import watched_code
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import Part
from mmcore.stages.paths import Paths


def fingerprint(params: Params, plan: ModelPlan, *, paths: Paths, plugins: Plugins, start: Path | None = None) -> str:
    """Hex digest over the declared settings, the inputs' content, the code of mmcore and of the plan's plugins.

    start: the weights that the training starts from, where they are in a file. Raises ArtifactError where the inputs
    are not there.
    """
    parts = [json_text({key: _but_devices(look_up(params.values, key)) for key in params.keys})]
    parts += [] if start is None else [sha256_of(start)]
    for path in (paths.manifest, paths.quarantine, paths.inputs):
        if not path.exists():
            raise ArtifactError(f"{path} is not there. Run `dvc repro`, or `mm stage join`, which writes it.")
        parts.append(sha256_of(path))
    parts += [f"torch {version('torch')}", json_text(packages_of(plan, plugins))]
    parts += [_code(folder) for folder in _folders(plan, plugins)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def way_of_reading(modality: Modality, part: Part, *, fit: Path, plugins: Plugins) -> str:
    """Hex digest over whatever decides what `modality.read` makes of a cell, besides the cell.

    That is what it says it reads by, else all settings and what it learned; its code and the core's; its libraries.
    """
    own = modality.reads_by()
    parts = [json_text([part.name, own] if own is not None else [part.to_yaml(), digest_of_folder(fit)])]
    for point in plugins.points("modality", part):
        code = watched_code(point)
        parts += [] if code is None else [_code(code)]
        parts.append(json_text(_libraries(point)))
    core = Path(__file__).parents[1]
    parts += [_code(core / name) for name in ("data", "interfaces")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _but_devices(value: Any) -> Any:
    """Settings without those that say how many train together: an unfinished training may go on with fewer or more."""
    if not isinstance(value, Mapping):
        return value
    left_out = ("devices", "strategy") if "monitor" in value else ()
    return {name: _but_devices(item) for name, item in value.items() if name not in left_out}


def _libraries(point: EntryPoint) -> dict[str, str]:
    """The versions of what a plugin's package asks for, where it is installed: another decoder may decode otherwise."""
    found = dict[str, str]()
    for asked in (point.dist.requires or ()) if point.dist is not None else ():
        name = re.split(r"[^\w.-]", asked)[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _folders(plan: ModelPlan, plugins: Plugins) -> list[Path]:
    """The top packages of mmcore and of the plugins that the plan names."""
    tops = {point.module.split(".")[0] for point in points_of(plan, plugins)}
    found = [find_spec(name) for name in sorted({"mmcore", *tops})]
    return [Path(spec.origin).parent for spec in found if spec is not None and spec.origin is not None]


def _code(place: Path) -> str:
    """Of one file, or of all in a folder."""
    digest = hashlib.sha256()
    for path in sorted(place.rglob("*.py")) if place.is_dir() else (place,):
        digest.update(f"{path.relative_to(place)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
