"""Weights that go with names: a vocabulary that was learned anew, classes of which some are new.

A row of an embedding means one token, a row of a head one class. Where a modality has learned from other rows, its
names have other numbers, and weights that were put in by shape alone would mean other things without a word.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmcore.interfaces.modality import Modality
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

    def moves(self) -> int:
        """How many names have another number now."""
        then, now = self.places().T
        return int((then != now).sum())

    def __str__(self) -> str:
        return (
            f"fields.{self.field}: of {len(self.now)} {self.what} {self.moves()} have another number than in the model "
            f"that this training starts from, and {len(self.now) - len(self.places())} are not known there"
        )


def renamed(field: str, then: Modality, now: Modality) -> list[Renamed]:
    """Every list of names that both modalities have learned, and that has changed."""
    before, after = then.facts(), now.facts()
    lists = {what: (tuple(before[what]), tuple(after[what])) for what in now.numbered if what in then.numbered}
    return [Renamed(field, what, *names) for what, names in lists.items() if names[0] != names[1]]


def follow(
    state: Mapping[str, Tensor], model: MultimodalModel, changed: Sequence[Renamed]
) -> tuple[dict[str, Tensor], list[str]]:
    """Weights with what belongs to a name where that name is now; what is new stays as the model has it.

    That is an axis as long as there are names, in the encoder of their field and in tasks that have it as their target.
    Also the weights that are left out: with several such axes, nobody knowing which is meant, or of what hangs on
    numbers otherwise.
    """
    own, found, left = model.state_dict(), dict(state), set[str]()
    moved = set[tuple[str, str]]()  # of fields that share an encoder each would move its weights
    for one in changed:
        owner = model.owners.get(one.field, one.field)
        starts = [f"encoders.{owner}."]
        starts += [f"tasks.{name}." for name, task in model.each_task().items() if one.field in task.targets]
        for name in sorted(name for name in own if name in found and name.startswith(tuple(starts))):
            axes = _axes(found[name].shape, own[name].shape, one)
            if len(axes) == 1 and (name, one.what) not in moved:
                found[name] = _moved(found[name], own[name], one.places(), axis=axes[0])
                moved.add((name, one.what))
            elif len(axes) > 1:
                left.add(name)
        if one.field in model.owners and one.moves():
            left |= {f"encoders.{owner}.{name}" for name in model.encoder(one.field).by_number}
    return {name: tensor for name, tensor in found.items() if name not in left}, sorted(left & set(found))


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
