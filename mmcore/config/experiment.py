"""Settings that were found, as a file of conf/experiment/ that says what differs from the experiment before it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmcore.config.compose import compose
from mmcore.config.document import ABSENT, differences, dump
from mmcore.config.overrides import parse
from mmcore.config.sections import SECTIONS
from mmcore.errors import ConfigError, MmcoreError
from mmcore.registry.plugins import Plugins

MARK = "# Found by `mm search`"
DERIVED = (
    "fit",
    "code",
    "modality_files",
    "encoder_files",
    "package",
    "encoder_package",
    "packages",
    "runs",
    "start",
    "summary",
)
"""Last steps of keys that `mm compose` writes itself."""


def place_of(root: Path, name: str) -> Path:
    """The file of an experiment that a search may write. Raises ConfigError where one is there that is no search's."""
    path = root / "conf" / "experiment" / f"{name}.yaml"
    if path.exists() and MARK not in path.read_text(encoding="utf-8"):
        raise ConfigError(
            f"{path} is there and was not written by a search. Give this one another name: name=..., or move that file."
        )
    return path


def write_experiment(
    root: Path,
    name: str,
    values: Mapping[str, Any],
    *,
    choices: Sequence[str],
    notes: Sequence[str],
    plugins: Plugins,
) -> Path:
    """Write conf/experiment/NAME.yaml, with which `mm compose experiment=NAME` gives exactly `values`.

    choices: those that made the params.yaml searched from. notes: what the file should tell its reader. Raises
    ConfigError where a file of that name is there that is no search's, or where no file can give these values.
    """
    path = place_of(root, name)
    before = path.read_text(encoding="utf-8") if path.exists() else None
    base = _base_without(root, name, choices)
    head = ["# @package _global_", f"{MARK}.", *(f"# {note}" for note in notes), "#"]
    head.append(f"#   mm compose experiment={name} && dvc repro")
    done = False
    try:
        for tree, start in _candidates(root, values, choices, base=base, plugins=plugins):
            text = "\n".join([*head, f"defaults: {start}", *(["", dump(tree)] if tree else [])])
            path.write_text(text.rstrip() + "\n", encoding="utf-8")
            if not _still_differing(root, name, values, plugins):
                done = True
                return path
        lost = _still_differing(root, name, values, plugins)
        raise ConfigError(f"conf/experiment/{name}.yaml cannot say what was found: {', '.join(lost)} would be another.")
    finally:
        if not done:
            path.unlink(missing_ok=True) if before is None else path.write_text(before, encoding="utf-8")


def base_of(root: Path, choices: Sequence[str]) -> str | None:
    """The experiment that the choices start from; None where there is none."""
    named = [str(choice.value) for choice in parse(choices) if choice.key == "experiment"]
    if named:
        return named[-1]
    defaults = yaml.safe_load((root / "conf" / "config.yaml").read_text(encoding="utf-8")).get("defaults", [])
    found = [item["experiment"] for item in defaults if isinstance(item, Mapping) and "experiment" in item]
    return str(found[-1]) if found else None


def _base_without(root: Path, name: str, choices: Sequence[str]) -> str | None:
    """The base. One that goes back to the file that is to be written would go round in a circle: what that one had."""
    base = base_of(root, choices)
    if base is not None and name in _lineage(root, base):
        return next((former for former in _lineage(root, name) if former != name), None)
    return base


def _lineage(root: Path, name: str) -> list[str]:
    """An experiment and those that it starts from, as far as they are files of conf/experiment/."""
    found, waiting = list[str](), [name]
    while waiting:
        one = waiting.pop(0)
        path = root / "conf" / "experiment" / f"{one}.yaml"
        if one in found or not path.exists():
            continue
        found.append(one)
        defaults = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("defaults", [])
        waiting += [item for item in defaults if isinstance(item, str)]
    return found


def _candidates(
    root: Path, values: Mapping[str, Any], choices: Sequence[str], *, base: str | None, plugins: Plugins
) -> Iterator[tuple[dict[str, Any], str]]:
    """The short way first: what differs from the base, then the same with whole fields. At last everything."""
    for given in ([], [choice for choice in choices if not choice.startswith("experiment=")]) if base else ():
        try:
            composed = compose(root, [f"experiment={base}", *given], plugins=plugins)
        except MmcoreError:  # it wants more than its name: where the data lies
            continue
        flat = {choice.key: _without_derived(_at(values, choice.key)) for choice in parse(given)}
        flat |= {
            key: new
            for key, (_, new) in differences(composed, values).items()
            if new is not ABSENT and key != "data.watch" and key.split(".")[-1] not in DERIVED
            and not key.startswith("pretrain.runs.")
        }  # fmt: skip
        flat, start = _named(_whole_parts(flat, composed, values), values), f"[{base}, _self_]"
        yield _nested(flat), start
        whole = {".".join(key.split(".")[:2]) for key in flat if key.startswith("fields.")}
        others = {key: value for key, value in flat.items() if not key.startswith("fields.")}
        yield _nested({**{key: _without_derived(_at(values, key)) for key in whole}, **others}), start
    yield {name: _without_derived(values[name]) for name in SECTIONS if name in values}, "[_self_]"


def _named(flat: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """With the plugin's name beside each of its settings: the base may say it in a word, which a mapping replaces."""
    found = dict[str, Any]()
    for key, value in flat.items():
        steps = key.split(".")
        for end in range(1, len(steps)):
            part = ".".join(steps[:end])
            if isinstance(name := _at(values, f"{part}.name"), str):
                found.setdefault(f"{part}.name", name)
        found[key] = value
    return found


def _whole_parts(changed: Mapping[str, Any], composed: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Where another plugin is named, all of its settings, in quotes: they take the place of what the base says.

    Without quotes they would be merged into it, and the settings of the former plugin would stay.
    """
    found = dict(changed)
    named = [key.removesuffix(".name") for key in changed if key.endswith(".name")]
    named += [
        key for key, value in changed.items() if isinstance(value, Mapping) and isinstance(value.get("name"), str)
    ]
    for key in named:
        if _at(composed, key) is not None:
            found = {other: value for other, value in found.items() if not other.startswith(f"{key}.")}
            found[key] = yaml.safe_dump(
                _at(values, key), default_flow_style=True, sort_keys=False, width=10_000
            ).strip()
    return found


def _at(tree: Mapping[str, Any], key: str) -> Any:
    found: Any = tree
    for step in key.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree = dict[str, Any]()
    for key, value in flat.items():
        *steps, last = key.split(".")
        place = tree
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = value
    return tree


def _without_derived(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {k: _without_derived(v) for k, v in value.items() if k not in DERIVED or isinstance(v, Mapping)}


def _still_differing(root: Path, name: str, values: Mapping[str, Any], plugins: Plugins) -> list[str]:
    """Keys that `mm compose experiment=NAME` would make another."""
    try:
        made = compose(root, [f"experiment={name}"], plugins=plugins)
    except MmcoreError as error:
        return [str(error)]
    return list(differences(made, values))
