"""What a search is about, put together and checked before anything is trained."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ruamel.yaml import YAML

from mmcore.errors import ArtifactError, ConfigError, listing
from mmcore.registry.plugins import Plugins
from mmcore.search import samplers
from mmcore.search.declared import declared_part, declared_space, kind_at
from mmcore.search.dimensions import Number, Options, Plain
from mmcore.search.reading import read_space
from mmcore.search.settings import SearchSettings
from mmcore.search.space import Space, find

STATE = ".mm/search"
PREPARED = ("ingest", "fit", "encode", "features", "join")
"""The stages whose outputs trials read."""
NOT_OF_SCORES = ("report", "repeats", "floors", "verdict", "release")
"""Sections that change no trial's score."""


class Project(Protocol):
    """The project as `mmcore.config` knows it."""

    @property
    def root(self) -> Path: ...
    @property
    def values(self) -> Mapping[str, Any]: ...
    @property
    def choices(self) -> Sequence[str]: ...
    @property
    def settings(self) -> SearchSettings: ...
    @property
    def space_name(self) -> str | None: ...

    def settle(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """params.yaml in full with these changes."""
        ...

    def compose(self, choices: Sequence[str]) -> dict[str, Any]:
        """What `mm compose` would write for these choices."""
        ...


@dataclass(frozen=True)
class Plan:
    """One search."""

    project: Project
    name: str
    space: Space
    objectives: tuple[str, ...]

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def settings(self) -> SearchSettings:
        return self.project.settings

    @property
    def values(self) -> Mapping[str, Any]:
        """params.yaml as it stands."""
        return self.project.values

    @property
    def folder(self) -> str:
        """Under the root."""
        return f"{STATE}/{self.name}"

    @property
    def shared(self) -> str:
        """Under the root: where lies what is prepared for trials of this study alone."""
        return f"{self.folder}/shared/{digest(self.about())}"

    def trial_folder(self, root: int, values: Mapping[str, Any]) -> str:
        """Under the root: where a trial's training lies. Another study gives its number to other settings."""
        return f"{self.folder}/trials/{root}/{digest({**self.about(), 'params': _of_scores(values)})}"

    def judged_folder(self, values: Mapping[str, Any], seed: int) -> str:
        """Under the root: where a training of the final comparison lies."""
        return f"{self.folder}/judged/{digest([_of_scores(values), self.data])}-{seed}"

    @property
    def data(self) -> str:
        """A short name for the content of the prepared data."""
        return hashlib.sha256((self.root / "artifacts" / "inputs.json").read_bytes()).hexdigest()[:16]

    @property
    def journal(self) -> Path:
        return self.root / self.folder / "journal.log"

    @property
    def steps(self) -> int:
        """How many values a trial reports at most."""
        found = [one.kind.high for one in self.space.dimensions
                 if one.key == "training.epochs" and isinstance(one.kind, Number)]  # fmt: skip
        return self.settings.folds or int(max([*found, find(self.values, "training.epochs")]))

    def about(self) -> dict[str, Any]:
        """What decides what the scores mean: not the same, not the same study."""
        return {
            "space": self.space.described(),
            "objectives": list(self.objectives),
            "folds": self.settings.folds,
            "fold_seed": self.settings.seed if self.settings.folds else None,
            "stratify": self.settings.stratify,
            "params": _of_scores(self.values),
            "data": self.data,
        }

    def opening(self) -> dict[str, Any]:
        """What a worker is told first."""
        return {
            "root": str(self.root), "folder": self.shared, "base": self.values,
            "objectives": list(self.objectives), "folds": self.settings.folds, "stratify": self.settings.stratify,
            "seed": self.settings.seed, "isolate": self.settings.isolate, "monitor": "up",
        }  # fmt: skip

    def ends(self) -> list[dict[str, Any]]:
        """params.yaml at the ends of every range and with every choice, for a check of types and bounds."""
        kinds = [kind for one in self.space.dimensions for kind in one.simple]
        most = max((len(kind.values) for kind in kinds if isinstance(kind, Options)), default=1)
        drawn = [self.space.draw(_End(number)) for number in range(2 * most)]
        return [self.project.settle(point.changes) for point in drawn]


class _End:
    """Draws the ends of ranges: the lows and the highs, with one choice after another."""

    def __init__(self, number: int) -> None:
        self._number = number

    def number(self, name: str, range_: Number) -> float:
        items = range_.items() if range_.finite else [range_.low, range_.high]
        return items[0] if self._number % 2 == 0 else items[-1]

    def choice(self, name: str, options: tuple[Plain, ...]) -> Any:
        return options[self._number // 2 % len(options)]


def make_plan(project: Project, *, plugins: Plugins) -> Plan:
    """Raises ConfigError for what cannot be searched, ArtifactError where the data is not prepared."""
    settings, values = project.settings, project.values

    def declared(key: str, part: Mapping[str, Any]) -> dict[str, Any]:
        found = declared_part(key, part, kind=kind_at(key), plugins=plugins)
        return {below.removeprefix(f"{key}."): spec for below, spec in found.items()}

    given = settings.space or declared_space(values, plugins=plugins)
    space = read_space(given, values, settle=project.settle, declared=declared)
    objectives = settings.objectives or (find(values, "training.monitor"),)
    if len(set(objectives)) < len(objectives):
        raise ConfigError(f"objectives names one twice: {listing(objectives)}.")
    samplers.check(settings, space, objectives=len(objectives))
    name = name_of(project)
    check_prepared(project.root, values)
    return Plan(project, name, space, tuple(objectives))


def name_of(project: Project) -> str:
    """Of the study, and of the experiment that it ends in. Raises ConfigError where no file can be called so."""
    experiment = next((c.partition("=")[2] for c in project.choices if c.startswith("experiment=")), "search")
    name = project.settings.name or f"found_{project.space_name or experiment}"
    if any(not (sign.isalnum() or sign in "_-") for sign in name):
        raise ConfigError(f"name={name!r} becomes a file's name: letters, digits, _ and - alone.")
    return name


def check_prepared(root: Path, values: Mapping[str, Any]) -> None:
    """Raises ArtifactError where artifacts/ does not hold what params.yaml asks for, by DVC's own account."""
    mending = "Run `dvc repro join` first, or `python -m flows.search`, which does."
    lock = root / "dvc.lock"
    if not (root / "artifacts" / "inputs.json").exists() or not lock.exists():
        raise ArtifactError(f"There is no prepared data to search on. {mending}")
    # As DVC reads it, by YAML 1.2: `on` is a word in it and 1e-05 a number. PyYAML's 1.1 has True and a word for them.
    by_dvc = YAML(typ="safe", pure=True).load(lock.read_text(encoding="utf-8"))
    stages: Mapping[str, Any] = (by_dvc or {}).get("stages", {})
    wanted = [name for name in PREPARED if name in ("ingest", "join")]
    wanted += [f"{stage}@{field}" for stage in ("fit", "encode", "features") for field in sorted(values["fields"])]
    for name in wanted:
        noted = stages.get(name, {}).get("params", {}).get("params.yaml")
        if noted is None:
            raise ArtifactError(f"The stage {name} has not run. {mending}")
        changed = [key for key, value in noted.items() if _value(values, key) != value]
        if changed:
            raise ArtifactError(f"The prepared data is of other settings ({listing(changed)}). {mending}")


def _value(values: Mapping[str, Any], key: str) -> Any:
    try:
        return find(values, key)
    except KeyError:
        return None


def _of_scores(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in NOT_OF_SCORES}


def digest(values: Any) -> str:
    """A short name for settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
