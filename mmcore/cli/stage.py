"""`mm stage`: load a stage, hand it the keys of params.yaml that it declares, run it."""

import importlib
import signal
from pathlib import Path

from mmcore.config.packages import check_packages
from mmcore.config.params import load_params
from mmcore.errors import ConfigError, listing, near_miss
from mmcore.registry.plugins import installed
from mmcore.runtime.lifeline import watch_lifeline
from mmcore.runtime.signals import ASKED_TO_STOP, raise_interrupted
from mmcore.stages.paths import Paths

STAGES = ("ingest", "fit", "encode", "features", "join", "train", "floors", "evaluate", "report")
"""In the order of dvc.yaml; each is a module of mmcore.stages with `READS` and `run`."""
FOR_EACH_FIELD = ("fit", "encode", "features")
"""Those that run once a field; told here, so that a mistake is answered before the stage is imported."""


def run_stage(name: str, *, field: str | None) -> None:
    """Run one stage in the current folder. Raises ConfigError where there is no such stage or field."""
    if name not in STAGES:
        raise ConfigError(f"There is no stage {name!r}.{near_miss(name, STAGES)} There is: {listing(STAGES)}.")
    paths = Paths(Path())
    by_field = name in FOR_EACH_FIELD
    if by_field:
        _check_field(name, field, paths)
    elif field is not None:
        raise ConfigError(f"Stage {name!r} runs once for all fields. Leave out --field.")
    watch_lifeline()
    for number in ASKED_TO_STOP:
        signal.signal(number, raise_interrupted)
    module = importlib.import_module(f"mmcore.stages.{name}")
    params = load_params(paths.params, [key.format(field=field) for key in module.READS])
    check_packages(params, installed())
    module.run(params, paths, **({"field": field} if by_field else {}))


def _check_field(name: str, field: str | None, paths: Paths) -> None:
    there = load_params(paths.params, ["fields"]).get("fields", dict[str, object])
    if field is None:
        raise ConfigError(f"Stage {name!r} runs for one field. Add --field with one of: {listing(there)}.")
    if field not in there:
        raise ConfigError(f"params.yaml has no field {field!r}.{near_miss(field, there)} It has: {listing(there)}.")
