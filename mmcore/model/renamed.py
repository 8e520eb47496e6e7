"""Weights that go with names: a vocabulary that was learned anew, classes of which some are new.

A row of an embedding means one token, a row of a head one class. Where a modality has learned from other rows, its
names have other numbers, and weights that were put in by shape alone would mean other things without a word.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmcore.model.multimodal import MultimodalModel


@dataclass(frozen=True)
class Renamed:
    """What the numbers of a field meant, and what they mean."""

    field: str
    what: str
    """As the modality's facts call it: tokens, classes."""
    then: Sequence[str]
    now: Sequence[str]

    def places(self) -> np.ndarray:
        """[n,2] int64: the number then and the number now of each name that both have."""
        old, new = Counter(self.then), Counter(self.now)
        once = {name: number for number, name in enumerate(self.then) if old[name] == new[name] == 1}
        pairs = [
            # What several numbers read as, parts of a letter say, is known again where it stands still.
            (once.get(name, number), number)
            for number, name in enumerate(self.now)
            if name in once or self.then[number : number + 1] == self.now[number : number + 1]
        ]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def __str__(self) -> str:
        places = self.places()
        moved, new = int((places[:, 0] != places[:, 1]).sum()), len(self.now) - len(places)
        return (
            f"fields.{self.field}: of {len(self.now)} {self.what} {moved} have another number than in the model that "
            f"this training starts from, and {new} are not known there"
        )


def renamed(field: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Renamed]:
    """Every list of names in a modality's facts that has changed."""
    found = list[Renamed]()
    for what in sorted(set(then) & set(now)):
        before, after = then[what], now[what]
        if _are_names(before) and _are_names(after) and list(before) != list(after):
            found.append(Renamed(field, what, tuple(before), tuple(after)))
    return found


def follow(
    state: Mapping[str, Tensor], model: MultimodalModel, changed: Sequence[Renamed]
) -> tuple[dict[str, Tensor], list[str]]:
    """Weights with what belongs to a name where that name is now; what is new stays as the model has it.

    That is an axis as long as there are names, in the encoder of their field and in tasks that have it as their target.
    Also the weights with several such axes: they are left out, since nobody knows which is meant.
    """
    own, found, unsure = model.state_dict(), dict(state), list[str]()
    for one in changed:
        starts = [f"encoders.{model.owners.get(one.field, one.field)}."]
        starts += [f"tasks.{name}." for name, task in model.each_task().items() if one.field in task.targets]
        for name in sorted(name for name in own if name in found and name.startswith(tuple(starts))):
            axes = _axes(found[name].shape, own[name].shape, one)
            if len(axes) == 1:
                found[name] = _moved(found[name], own[name], one.places(), axis=axes[0])
            elif axes:
                unsure.append(name)
                del found[name]
    return found, unsure


def _are_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 1 and all(isinstance(name, str) for name in value)


def _axes(then: Sequence[int], now: Sequence[int], one: Renamed) -> list[int]:
    """Those that may stand for the names; none where the rest is of another shape."""
    if len(then) != len(now):
        return []
    sizes = list(zip(then, now, strict=True))
    axes = [axis for axis, size in enumerate(sizes) if size == (len(one.then), len(one.now))]
    return axes if all(before == after or axis in axes for axis, (before, after) in enumerate(sizes)) else []


def _moved(tensor: Tensor, own: Tensor, places: np.ndarray, *, axis: int) -> Tensor:
    then, now = torch.from_numpy(places).unbind(1)
    return own.detach().cpu().clone().index_copy(axis, now, tensor.index_select(axis, then))
