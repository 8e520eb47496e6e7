"""Parts of a model, told by the start of their parameters' names: `encoders.image`, `fusion`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from torch import nn

from mmcore.errors import ConfigError, listing
from mmcore.training.settings import TrainingSettings

T = TypeVar("T")


def within(name: str, start: str) -> bool:
    """Whether a parameter or module is the part that `start` names, or inside it: stages.1 is no part of stages.10."""
    return name == start or name.startswith(f"{start}.")


def value_of(name: str, by_start: Mapping[str, T], default: T) -> T:
    """What is said of the longest start that `name` has; `default` where nothing is."""
    starts = [start for start in by_start if within(name, start)]
    return by_start[max(starts, key=len)] if starts else default


def check_starts(key: str, starts: Iterable[str], names: Iterable[str]) -> None:
    """Raise ConfigError where training.KEY names a start that no trained parameter has."""
    names = list(names)
    for start in starts:
        if not any(within(name, start) for name in names):
            parts = {".".join(name.split(".")[:2]) for name in names}
            raise ConfigError(
                f"training.{key} names {start!r}, but no trained parameter starts so. Parts: {listing(parts)}."
            )


def of_parts_there(settings: TrainingSettings, model: nn.Module) -> TrainingSettings:
    """The settings for a model with fewer parts: what is said of others is left out, and every part learns always."""
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]

    def kept(by_start: Mapping[str, float]) -> dict[str, float]:
        return {start: value for start, value in by_start.items() if any(within(name, start) for name in names)}

    return replace(
        settings, lr_of=kept(settings.lr_of), layer_decay=kept(settings.layer_decay), thaw={}, freeze={}, modulate=None
    )


class Thawing:
    """Which parts learn in which epoch, by `training.thaw` and `training.freeze`: a function of the epoch alone."""

    def __init__(self, model: nn.Module, *, thaw: Mapping[str, int], freeze: Mapping[str, int]) -> None:
        """Raises ConfigError where a start is named that no trained parameter has."""
        self._model, self._thaw, self._freeze = model, thaw, freeze
        self._trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        check_starts("thaw", thaw, self._trained)
        check_starts("freeze", freeze, self._trained)

    def learns(self, name: str, epoch: int) -> bool:
        """Whether the parameter or module learns in this epoch, counted from 0."""
        number = epoch + 1
        return value_of(name, self._thaw, 1) <= number < value_of(name, self._freeze, number + 1)

    def enter(self, epoch: int) -> None:
        """Before an epoch: what does not learn in it gets no gradient, and its dropout and statistics rest."""
        for name, parameter in self._trained.items():
            parameter.requires_grad_(self.learns(name, epoch))
        if self._thaw or self._freeze:
            for name, module in self._model.named_modules():
                if not self.learns(name, epoch):
                    module.training = False  # of this one alone: a part of it may learn already
