"""How far rows lie from others in a model's own eyes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.prepare import prepare

PERMUTATIONS = 400
REMARKABLE = 0.25
"""Deviations between the means; below that a shift may be sure and still mean nothing."""


@dataclass(frozen=True)
class Shift:
    """Of one set of vectors against another."""

    distance: float
    """Between the means, in deviations of all vectors together."""
    p: float
    """How often a random division of the same vectors lies as far apart."""

    @property
    def drifted(self) -> bool:
        """Whether it is remarkable and no chance."""
        return self.p < 0.01 and self.distance > REMARKABLE


def embeddings(model: MultimodalModel, batches: Iterable[Batch], modalities: Mapping[str, Modality]) -> np.ndarray:
    """[rows, width] what the fusion makes of each row, all streams beside each other."""
    found = list[np.ndarray]()
    with torch.inference_mode():
        for batch in batches:
            streams = model.fusion(model.start(prepare(batch, modalities)))
            pooled = [tokens.pool().float() for _, tokens in sorted(streams.items())]
            found.append(torch.cat(pooled, dim=1).cpu().numpy())
    return np.concatenate(found)


def shift(old: np.ndarray, new: np.ndarray, *, seed: int) -> Shift:
    """old, new: [rows, width]."""
    both = np.concatenate([old, new])
    spread = float(both.var(0).sum()) or 1.0
    generator = np.random.default_rng(seed)
    measured = _apart(both, len(old)) / spread
    by_chance = [_apart(both[generator.permutation(len(both))], len(old)) / spread for _ in range(PERMUTATIONS)]
    p = (1 + sum(value >= measured for value in by_chance)) / (1 + PERMUTATIONS)
    return Shift(measured**0.5, p)


def _apart(vectors: np.ndarray, first: int) -> float:
    """The squared distance between the mean of the first rows and that of the others."""
    return float(((vectors[:first].mean(0) - vectors[first:].mean(0)) ** 2).sum())
