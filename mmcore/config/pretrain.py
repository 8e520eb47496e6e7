"""What `pretrain` in params.yaml may say: a training before the training, whose weights that one starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mmcore.errors import ConfigError, listing, near_miss
from mmcore.training.settings import TrainingSettings

FIRST = "first"
"""The name of the one run there is."""
CHAMPION = "artifacts/champion"
"""Where flows put the model in use for a training that starts from it."""
NO_START = "mmcore/stages/pretrain.py"
"""Stands where train depends on a first training's model and there is none: DVC wants a path that is there."""


@dataclass(frozen=True)
class PretrainSettings:
    """Two trainings one after the other, each a stage of DVC: as LLaVA, 2304.08485, section 4.2."""

    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of `training` that are others in the first one: `{epochs: 1, freeze: {encoders: 1}}`; empty: there is no
    first one."""
    runs: Mapping[str, TrainingSettings] = field(default_factory=dict)
    """The first training in full, where there is one; written by `mm compose`."""
    start: str = NO_START
    """Where its model will lie, for DVC to watch; written by `mm compose`."""


def planned_pretrain(given: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
    """`runs` and `start` for what is `given` to be others than in `training`, as YAML has them."""
    from_champion = training.get("start_from") == "champion"
    if not given:
        return {"runs": {}, "start": CHAMPION if from_champion else NO_START}
    if from_champion:
        raise ConfigError(
            "training.start_from is champion, and pretrain.training asks for a first training: a model starts from one "
            "of them. Set training.start_from to null, or pretrain.training to {}."
        )
    known = [item.name for item in fields(TrainingSettings)]
    for name in given:
        if name not in known:
            raise ConfigError(
                f"pretrain.training names {name!r}, which is no setting of training.{near_miss(name, known)} "
                f"There is: {listing(known)}."
            )
    return {"runs": {FIRST: {**training, **given}}, "start": f"artifacts/pretrain/{FIRST}"}
