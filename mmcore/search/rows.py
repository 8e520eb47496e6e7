"""What is known of a trial, from what Optuna notes of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from optuna.trial import FrozenTrial, TrialState


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    UNBUILT = "unbuilt"
    """No model could be built of what was drawn: another point is drawn instead, and nothing was trained."""
    DIED = "died"
    """It runs again as another trial, or never began."""


@dataclass(frozen=True)
class Row:
    """What is known of a trial."""

    number: int
    root: int
    """The number of the trial that this one is another try of; its own where it is the first."""
    state: State
    values: tuple[float, ...] | None
    named: Mapping[str, Any]
    """What was drawn, by name."""
    changes: Mapping[str, Any]
    steps: Mapping[int, float]
    scores: Mapping[str, float]
    reason: str
    seconds: float | None
    present: bool
    """Whether this is the point that params.yaml is."""

    @property
    def told(self) -> dict[str, Any]:
        """`changes` for people: of a plugin its name, since what was drawn of its settings is a change of its own."""
        return {key: value["name"] if isinstance(value, Mapping) else value for key, value in self.changes.items()}


def root_of(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get("root", trial.number))


def has_died(trial: FrozenTrial) -> bool:
    """Who fails by a fault of its own has a reason."""
    return trial.state is TrialState.FAIL and "reason" not in trial.user_attrs


def was_unbuilt(trial: FrozenTrial) -> bool:
    """Whether no model could be built of its settings."""
    return bool(trial.user_attrs.get("unbuilt", False))


def was_begun(trial: FrozenTrial) -> bool:
    """Whether a trial, or the one that it is another try of, was ever begun."""
    return "changes" in trial.user_attrs


def attribute(trial: FrozenTrial, name: str) -> Any:
    found = trial.user_attrs.get(name)
    return json.loads(found) if isinstance(found, str) and name != "reason" else found


def row_of(trial: FrozenTrial) -> Row:
    states = {
        TrialState.WAITING: State.WAITING, TrialState.RUNNING: State.RUNNING, TrialState.COMPLETE: State.COMPLETE,
        TrialState.PRUNED: State.PRUNED, TrialState.FAIL: State.FAILED,
    }  # fmt: skip
    state = State.DIED if has_died(trial) else State.UNBUILT if was_unbuilt(trial) else states[trial.state]
    return Row(
        number=trial.number,
        root=root_of(trial),
        state=state,
        values=None if trial.state is not TrialState.COMPLETE else tuple(trial.values),
        named=attribute(trial, "named") or {},
        changes=attribute(trial, "changes") or {},
        steps=trial.intermediate_values,
        scores=attribute(trial, "scores") or {},
        reason=str(trial.user_attrs.get("reason", "")),
        seconds=trial.user_attrs.get("seconds"),
        present=bool(trial.user_attrs.get("present", False)),
    )
