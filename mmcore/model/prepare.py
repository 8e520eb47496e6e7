"""What happens to a batch on its device before the model sees it."""

from collections.abc import Mapping

import torch

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.modality import Modality


def prepare(batch: Batch, modalities: Mapping[str, Modality], *, augment: torch.Generator | None = None) -> Batch:
    """Augment (with a generator, while training only), then prepare every field that has a modality here."""
    changed = dict[str, Field]()
    for name in sorted(batch.fields):
        if name in modalities:
            field = batch.fields[name]
            if augment is not None:
                field = modalities[name].augment(field, augment)
            changed[name] = modalities[name].prepare(field)
    return batch.with_fields(changed)
