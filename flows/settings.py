"""What params.yaml says to flows: the sections that no stage reads."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import yaml

from mmcore.config.agree import strange_encoders
from mmcore.config.params import Params
from mmcore.errors import ConfigError, MmcoreError
from mmcore.registry.plugins import installed
from mmcore.releases.settings import ReleaseSettings, VerdictSettings

T = TypeVar("T")


def release_settings(root: Path) -> ReleaseSettings:
    """`release`; its defaults in a project whose params.yaml has none."""
    values = _values(root)
    return Params(values, ["release"]).get("release", ReleaseSettings) if "release" in values else ReleaseSettings()


def verdict_settings(root: Path) -> VerdictSettings:
    """`verdict`; its defaults likewise."""
    values = _values(root)
    return Params(values, ["verdict"]).get("verdict", VerdictSettings) if "verdict" in values else VerdictSettings()


def what_decides(root: Path) -> dict[str, object]:
    """Whatever of params.yaml a verdict on the same models and data hangs on."""
    values = _values(root)
    evaluation, repeats = _section(values, "evaluation"), _section(values, "repeats")
    return {
        "verdict": asdict(verdict_settings(root)),
        "monitor": _section(values, "training").get("monitor"),
        "evaluation": {name: evaluation.get(name) for name in ("split", "confidence", "resamples", "seed", "write")},
        "seeds": _section(repeats, "summary").get("seeds"),
    }


def starts_from_champion(root: Path) -> bool:
    """Whether the training goes on from the model in use."""
    return _section(_values(root), "training").get("start_from") == "champion"


def packages_of(root: Path) -> Params:
    """What params.yaml records of packages from outside; a project that has no such sections records none."""
    values = _values(root)
    keys = [name for name, key in (("data", "package"), ("training", "packages")) if key in _section(values, name)]
    runs = _section(_section(values, "pretrain"), "runs")
    keys += [f"pretrain.runs.{name}" for name, run in runs.items() if isinstance(run, dict) and "packages" in run]
    return Params(values, [*keys, *(["fields"] if _section(values, "fields") else [])])


def check_encoders(root: Path) -> None:
    """Raises ConfigError for an encoder of another modality, which the training alone would find, after all else.

    As far as the plugins' text tells; nothing is imported. What else is wrong the stages say.
    """
    faults = list[str]()
    with suppress(MmcoreError):
        values = _values(root)
        fields = Params(values, ["fields"]).fields() if _section(values, "fields") else {}
        faults = list(strange_encoders(fields, installed()))
    if faults:
        raise ConfigError("\n".join(["params.yaml cannot be used:", *(f"  {fault}" for fault in faults)]))


def _section(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _values(root: Path) -> dict[str, object]:
    try:
        values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"params.yaml cannot be read: {error}") from error
    return values if isinstance(values, dict) else {}
