"""A point of a space as Optuna notes it, and back."""

from typing import Any

import optuna

from mmcore.search.dimensions import Draw, Number, Plain
from mmcore.search.space import Drawn, Replay, Space


class OptunaDraw:
    """Draws from a trial. Powers of two are noted as how often the lowest is doubled."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def number(self, name: str, range_: Number) -> float:
        if range_.factor:
            return int(range_.low) << self._trial.suggest_int(_doublings(name), 0, range_.exponents())
        if range_.whole:
            step = int(range_.step or 1)
            return self._trial.suggest_int(name, int(range_.low), int(range_.high), step=step, log=range_.log)
        low, high = float(range_.low), float(range_.high)
        return self._trial.suggest_float(name, low, high, step=range_.step, log=range_.log)

    def choice(self, name: str, options: tuple[Plain, ...]) -> Any:
        return self._trial.suggest_categorical(name, options)


class _Noted:
    """Draws from elsewhere, and notes it as `OptunaDraw` would have."""

    def __init__(self, inner: Draw) -> None:
        self._inner = inner
        self.raw = dict[str, Plain]()

    def number(self, name: str, range_: Number) -> float:
        value = self._inner.number(name, range_)
        if range_.factor:
            self.raw[_doublings(name)] = range_.items().index(value)
        else:
            self.raw[name] = value
        return value

    def choice(self, name: str, options: tuple[Plain, ...]) -> Any:
        self.raw[name] = self._inner.choice(name, options)
        return self.raw[name]


def as_noted(point: Drawn, space: Space) -> dict[str, Plain]:
    noted = _Noted(Replay(space, lambda dimension: point.named[dimension.name]))
    space.draw(noted)
    return noted.raw


def _doublings(name: str) -> str:
    return f"{name} (doublings)"
