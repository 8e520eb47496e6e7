"""`mm stage`: load a stage, hand it the keys of params.yaml that it declares, run it."""

import importlib
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from mmcore.config.packages import check_packages
from mmcore.config.params import Params, load_params
from mmcore.errors import ConfigError, listing, near_miss
from mmcore.registry.plugins import installed
from mmcore.runtime.companions import companions
from mmcore.runtime.lifeline import watch_lifeline
from mmcore.runtime.signals import ASKED_TO_STOP, raise_interrupted
from mmcore.stages.paths import Paths

STAGES = (
    "ingest", "fit", "encode", "features", "join", "pretrain", "train", "floors", "evaluate", "repeat", "spread",
    "report",
)  # fmt: skip
"""In the order of dvc.yaml; each is a module of mmcore.stages with `READS` and `run`."""
OF_FLOWS = ("judge", "verdict")
"""Run by a flow and not by DVC."""
FOR_EACH = {
    "fit": ("field", "fields"),
    "encode": ("field", "fields"),
    "features": ("field", "fields"),
    "pretrain": ("run", "pretrain.runs"),
    "repeat": ("run", "repeats.runs"),
    "spread": ("kind", "repeats.summary"),
}
"""Those that run once for each entry of a key of params.yaml, with the option that names the entry; told here, so that
a mistake is answered before the stage is imported."""


def run_stage(name: str, **entries: str | None) -> None:
    """Run one stage in the current folder. entries: the options by name, of which a stage takes one or none.

    Raises ConfigError where there is no such stage or entry.
    """
    if name not in (*STAGES, *OF_FLOWS):
        raise ConfigError(f"There is no stage {name!r}.{near_miss(name, STAGES)} There is: {listing(STAGES)}.")
    paths = Paths(Path())
    chosen = _entry(name, entries, paths)
    watch_lifeline()
    for number in ASKED_TO_STOP:
        signal.signal(number, raise_interrupted)
    module = importlib.import_module(f"mmcore.stages.{name}")
    params = load_params(paths.params, [key.format(**chosen) for key in module.READS])
    check_packages(params, installed())
    with companions(_devices(module, params, chosen), _again(name, chosen)):
        module.run(params, paths, **chosen)


def _devices(module: ModuleType, params: Params, chosen: Mapping[str, str]) -> int:
    """How many processes the stage wants: one for each device that it trains on."""
    key: str | None = getattr(module, "DEVICES", None)
    return 1 if key is None else params.get(key.format(**chosen), int)


def _again(name: str, chosen: Mapping[str, str]) -> list[str]:
    """The command of this very stage."""
    options = [word for option, value in chosen.items() for word in (f"--{option}", value)]
    # -P: the core that is installed, as `mm` has it, and not one that lies in this folder.
    return [sys.executable, "-P", "-c", "from mmcore.cli.main import main; main()", "stage", name, *options]


def _entry(name: str, entries: Mapping[str, str | None], paths: Paths) -> dict[str, str]:
    """The one option that the stage takes, checked against params.yaml."""
    option, key = FOR_EACH.get(name, (None, ""))
    for other, given in entries.items():
        if given is not None and other != option:
            takes = "takes no such option" if option is None else f"takes --{option}"
            raise ConfigError(f"Stage {name!r} {takes}. Leave out --{other}.")
    if option is None:
        return {}
    chosen, there = entries.get(option), load_params(paths.params, [key]).get(key, dict[str, object])
    if chosen is None:
        raise ConfigError(f"Stage {name!r} runs for one {option}. Add --{option} with one of: {listing(there)}.")
    if chosen not in there:
        raise ConfigError(
            f"params.yaml has no {option} {chosen!r} in {key}.{near_miss(chosen, there)} It has: {listing(there)}."
        )
    return {option: chosen}
