"""What decides the result of a training: the name under which an unfinished one is found again."""

import hashlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from mmcore.config.params import Params, look_up
from mmcore.data.files import sha256_of
from mmcore.data.writing import json_text
from mmcore.errors import ArtifactError
from mmcore.model.folder import packages_of, points_of
from mmcore.model.plan import ModelPlan
from mmcore.registry.plugins import Plugins
from mmcore.stages.paths import Paths


def fingerprint(params: Params, plan: ModelPlan, *, paths: Paths, plugins: Plugins, start: Path | None = None) -> str:
    """Hex digest over the declared settings, the inputs' content, the code of mmcore and of the plan's plugins.

    start: the weights that the training starts from, where they are in a file. Raises ArtifactError where the inputs
    are not there.
    """
    parts = [json_text({key: look_up(params.values, key) for key in params.keys})]
    parts += [] if start is None else [sha256_of(start)]
    for path in (paths.manifest, paths.quarantine, paths.inputs):
        if not path.exists():
            raise ArtifactError(f"{path} is not there. Run `dvc repro`, or `mm stage join`, which writes it.")
        parts.append(sha256_of(path))
    parts += [f"torch {version('torch')}", json_text(packages_of(plan, plugins))]
    parts += [_code(folder) for folder in _folders(plan, plugins)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _folders(plan: ModelPlan, plugins: Plugins) -> list[Path]:
    """The top packages of mmcore and of the plugins that the plan names."""
    tops = {point.module.split(".")[0] for point in points_of(plan, plugins)}
    found = [find_spec(name) for name in sorted({"mmcore", *tops})]
    return [Path(spec.origin).parent for spec in found if spec is not None and spec.origin is not None]


def _code(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
