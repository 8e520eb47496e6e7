"""Rows that the model in use was not trained on, beside those that it was: do they still look alike to it?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.config.params import Params
from mmcore.data.dataset import Arrays, Dataset
from mmcore.data.live import LiveArrays
from mmcore.data.loader import Loader
from mmcore.data.manifest import Manifest
from mmcore.data.marks import SEEN, marks_of, read_marks
from mmcore.data.profile import FILE, changes, profile_of
from mmcore.evaluation.shift import Shift, embeddings, shift
from mmcore.model.folder import Saved, load_model
from mmcore.registry.plugins import Plugins, installed
from mmcore.stages import todays
from mmcore.stages.paths import Paths
from mmcore.stages.todays import Today

READS = todays.READS

LEAST = 20
"""New rows below which nothing is said: so few differ by chance."""
MOST = 400
"""Rows of each side that are embedded."""


def drift_of(params: Params, paths: Paths, champion: Path, *, plugins: Plugins | None = None) -> dict[str, Any] | None:
    """{"rows", "asks", "fields", "embedding"}; None where the model does not say what it was trained on.

    Only rows of the training and validation split count: those of the test split are new to every model. What it finds
    asks for a candidate, and never promotes one.
    """
    marks = read_marks(champion)
    if marks is None or not (champion / FILE).exists():
        return None
    plugins = plugins or installed()
    saved, today = load_model(champion, plugins=plugins), Today.read(params, paths, plugins)
    manifest = today.of(saved, [])
    contents = marks_of(manifest, sorted(saved.plan.encoders))[:, 1]  # a new row of an old group is new
    known = np.isin(contents, marks)
    trained = np.isin(manifest.splits, SEEN)
    new, old = np.flatnonzero(trained & ~known), np.flatnonzero(trained & known)
    if len(new) < LEAST:
        return {"rows": len(new), "asks": [], "fields": [], "embedding": None}
    then = json.loads((champion / FILE).read_text(encoding="utf-8"))
    fields = {name: columns for name, columns in saved.columns.items() if name in manifest.columns}
    found = changes(then, profile_of(manifest, new, fields, like=then))
    asks = [f"{one.what} of {one.field} went from {one.then} to {one.now}" for one in found if one.drifted]
    held_out = old[manifest.splits[old] == "validation"]  # a model sees rows that it learned from more clearly
    old = held_out if len(held_out) >= LEAST else old
    moved = _embedded(saved, manifest, today.source.base, old=old, new=new) if len(old) >= LEAST else None
    if moved is not None and moved.drifted:
        asks.append(
            f"what the model sees in the new rows lies {moved.distance:.2f} deviations from what it was trained on"
        )
    told = [{**asdict(one), "drifted": one.drifted} for one in found]
    embedding = None if moved is None else {**asdict(moved), "drifted": moved.drifted}
    return {"rows": len(new), "asks": asks, "fields": told, "embedding": embedding}


def _embedded(saved: Saved, manifest: Manifest, base: Path, *, old: np.ndarray, new: np.ndarray) -> Shift:
    """The distance between both sides in the model's own eyes, on a sample of each."""
    draw = np.random.default_rng(0)
    arrays = dict[str, Arrays]()
    for name in saved.model.owners:
        arrays[name] = LiveArrays(saved.modalities[name], manifest.cells(name), base, forgiving=True, needs_files=False)
    modalities = {name: saved.modalities[name] for name in arrays}
    dataset = Dataset(modalities, arrays, splits=manifest.splits, groups=manifest.group_numbers())
    sides = [
        embeddings(saved.model, Loader(dataset, np.sort(draw.permutation(rows)[:MOST]), batch_size=64), modalities)
        for rows in (old, new)
    ]
    return shift(*sides, seed=0)
