"""Cross-validation: the rows that a model may learn from, cut into folds."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from mmcore.data.manifest import Manifest
from mmcore.errors import ConfigError
from mmcore.interfaces.modality import Cell

UNUSED = "unused"
"""The split of the test rows while folds are made of the others."""
SHARE_OF_VALIDATION = 0.1


def in_folds(manifest: Manifest, *, fold: int, folds: int, seed: int, stratify: str | None) -> Manifest:
    """The same rows with splits of their own: this fold is the test split, of the rest a share is validation.

    A group is never divided, and the manifest's test rows are in no fold. stratify: the field whose values are spread
    evenly. Raises ConfigError where there are fewer groups than folds, or no value often enough to be in each.
    """
    if folds < 2:
        raise ConfigError("repeats.folds is 1: with one part left out nothing is left. Set 2 or more, or 0 for none.")
    splits, groups = manifest.splits, np.array(manifest.groups, dtype=object)
    usable = np.flatnonzero(splits != "test")
    if len(set(groups[usable])) < folds:
        raise ConfigError(
            f"repeats.folds is {folds}, but there are only {len(set(groups[usable]))} groups of training rows."
        )
    labels = None if stratify is None else _labels(manifest.cells(stratify))[usable]
    if labels is not None and max(Counter(labels.tolist()).values()) < folds:
        raise ConfigError(
            f"repeats.stratify is {stratify!r}, but none of its values is in as many rows as there are folds "
            f"({folds}): it takes a field of few values. Name another, or set it to null."
        )
    part = _part(groups[usable], labels, fold=fold, folds=folds, seed=seed)
    rest = usable[~part]
    kept = 1 / SHARE_OF_VALIDATION
    parts = min(round(kept), len(set(groups[rest])))
    if parts < 2:
        raise ConfigError(
            f"repeats.folds is {folds}, which leaves training rows of one group: none is left to validate on. Set more "
            "folds, or give data.group a column with more groups."
        )
    inner = _part(groups[rest], None, fold=0, folds=parts, seed=seed)
    found = np.full(len(manifest), UNUSED, dtype=object)
    found[usable[part]], found[rest[inner]], found[rest[~inner]] = "test", "validation", "train"
    return manifest.with_splits(found)


def _part(groups: np.ndarray, labels: np.ndarray | None, *, fold: int, folds: int, seed: int) -> np.ndarray:
    """[rows] bool: which are in the fold."""
    kind = GroupKFold if labels is None else StratifiedGroupKFold
    parts = kind(folds, shuffle=True, random_state=seed).split(groups, labels, groups)
    _, chosen = list(parts)[fold]
    return np.isin(np.arange(len(groups)), chosen)


def _labels(cells: Sequence[Cell | None]) -> np.ndarray:
    return np.array(["" if cell is None else str(cell) for cell in cells])
