"""features@FIELD: what a frozen encoder makes of every distinct cell, computed once where that changes nothing."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.config.fields import CODE_OF_THE_CORE, FieldSettings
from mmcore.config.params import Params
from mmcore.data.files import digest_of
from mmcore.data.remote import open_store
from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter
from mmcore.data.writing import write_json
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.modality import Modality
from mmcore.model.features import encode_batch, why_not_cached
from mmcore.model.folder import load_modality
from mmcore.model.seeds import seeded
from mmcore.model.weights import digest_of as digest_of_weights
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.memory import keep_freed_memory
from mmcore.runtime.progress import track
from mmcore.stages.paths import Paths

READS = ("fields.{field}", "training.seed", "training.threads")

BATCH = 64
"""Cells that go through the encoder at once."""


def run(params: Params, paths: Paths, *, field: str, plugins: Plugins | None = None) -> None:
    """Write features/FIELD/features.json, and a store beside it where the features were computed.

    The digests of files that the encoder's settings name stand in it too: with them what is trained on that changes.
    """
    plugins = plugins or installed()
    settings = params.get(f"fields.{field}", FieldSettings)
    modality = load_modality(paths.fit(field), settings.modality, field=field, plugins=plugins)
    folder = paths.features(field)
    folder.mkdir(parents=True, exist_ok=True)
    why = "it has no encoder" if settings.encoder is None else None
    why = why or why_not_cached(modality, frozen=settings.frozen, features=settings.features)
    layout: dict[str, object] = {"grid": None, "causal": False}
    if why is None:
        assert settings.encoder is not None
        torch.set_num_threads(params.get("training.threads", int))
        keep_freed_memory()
        with seeded(params.get("training.seed", int), f"encoders.{settings.like or field}"):
            encoder: Encoder = plugins.encoder.build(
                settings.encoder, modality.facts(), where=f"fields.{field}.encoder"
            )
        encoder.warm_start()
        layout = _compute(encoder, modality, open_store(paths.store(field)), StoreWriter(folder / "store"))
    files = [digest_of(Path(name)) for name in settings.encoder_files if name != CODE_OF_THE_CORE]
    write_json(folder / "features.json", {"cached": why is None, "why": why, "files": files, **layout})


def _compute(encoder: Encoder, modality: Modality, cells: Store, writer: StoreWriter) -> dict[str, object]:
    """Every distinct cell through the encoder; the index of rows stays as it is.

    Returns what is common to all: `grid` (None where a cell has not all of it, or another), `causal`, and `weights`.
    """
    grids, layout = set[tuple[int, ...] | None](), dict[str, Any]()
    slots = cells.slots
    first = np.unique(slots[slots >= 0], return_index=True)[1]
    rows = np.flatnonzero(slots >= 0)[first]  # one row for each slot, in the order of slots
    parts = [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]
    for part in track(parts, len(parts), what="features"):
        field = modality.prepare(modality.collate(cells.take(part)))
        arrays, layout = encode_batch(encoder, field)
        whole = layout["grid"] is not None and all(len(array) == prod(layout["grid"]) for array in arrays)
        grids.add(tuple(layout["grid"]) if whole else None)
        for array in arrays:
            writer.add(np.ascontiguousarray(array))
    writer.finish(slots)
    grid = grids.pop() if len(grids) == 1 else None
    return {"causal": False, **layout, "grid": grid, "weights": digest_of_weights(encoder)}
