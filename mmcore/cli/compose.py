"""`mm compose`: write params.yaml, or check it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcore.config.check import check, faults_of
from mmcore.config.update import rehearse, update
from mmcore.errors import ConfigError
from mmcore.registry.plugins import installed


def compose_params(choices: Sequence[str], *, force: bool) -> None:
    """Compose, and say what changed."""
    done = update(Path(), choices, plugins=installed(), force=force)
    print(f"choices: {shlex.join(done.choices) or 'none'}")
    _show(done.changed, "was")
    print("params.yaml is written." if done.changed is None or done.changed else "params.yaml stays as it was.")
    _note_missing_rows(done.values)


def check_params() -> None:
    """Say how params.yaml differs from conf/. Raises ConfigError that lists all that is wrong with it."""
    found = check(Path(), plugins=installed())
    if found.edits:
        print("params.yaml differs from conf/ (edited by hand, or conf/ or a plugin's code has changed since):")
        _show(found.edits, "conf/ says")
    if found.faults:
        raise ConfigError("\n".join(["params.yaml cannot be used:", *(f"  {fault}" for fault in found.faults)]))
    print("params.yaml is in order.")


def check_choices(choices: Sequence[str], *, force: bool) -> None:
    """Say what composing with these choices would change. Raises ConfigError for what keeps it from being of use."""
    would = rehearse(Path(), choices, plugins=installed(), force=force)
    print(f"choices: {shlex.join(would.choices) or 'none'}")
    _show(would.changed, "is")
    if faults := list(faults_of(would.values, installed())):
        raise ConfigError("\n".join(["params.yaml could not be used:", *(f"  {fault}" for fault in faults)]))
    same = would.changed is not None and not would.changed
    print("params.yaml would stay as it is." if same else "params.yaml would be in order. Nothing is written.")
    _note_missing_rows(would.values)


def _note_missing_rows(values: Mapping[str, Any]) -> None:
    """Else DVC would be the first to say so, by `No such file or directory` and no word of a key."""
    path = values["data"]["source"].get("path")
    if isinstance(path, str) and "://" not in path and not Path(path).exists():
        print(f"Note: there is no {path}, which data.source.path names. `dvc repro` needs it; `dvc pull` fetches what "
              "is tracked.")  # fmt: skip


def _show(pairs: Mapping[str, tuple[Any, Any]] | None, other: str) -> None:
    for key, (before, now) in (pairs or {}).items():
        print(f"  {key}: {now!r} ({other} {before!r})")
