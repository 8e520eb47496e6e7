"""A training that starts from the model in use: its weights as far as they fit, and what does not, in words."""

from collections.abc import Mapping
from pathlib import Path

from mmcore.errors import MmcoreError
from mmcore.interfaces.modality import Modality
from mmcore.model.folder import load_modality, read_plan
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.renamed import Renamed, follow, renamed
from mmcore.model.weights import load_matching, load_tensors
from mmcore.registry.plugins import Plugins


def start_from(model: MultimodalModel, folder: Path, *, modalities: Mapping[str, Modality], plugins: Plugins) -> None:
    """Put the weights of a model folder into a fresh model; what belongs to a token or a class stays with it.

    modalities: of this training. Raises ArtifactError where the folder holds no weights.
    """
    weights = folder / "model.safetensors"
    changed = _changed(folder, modalities, plugins)
    for one in changed:
        print(f"{one}. Weights go with their names.", flush=True)
    state, unsure = follow(load_tensors(weights), model, changed)
    if unsure:
        print(f"How these go with the names is not clear, so they start from nothing: {_shown(unsure)}.", flush=True)
    if new := sorted(set(load_matching(model, state)) - set(unsure)):
        print(f"{weights} does not hold, or not in this shape: {_shown(new)}. These start from nothing.", flush=True)


def _changed(folder: Path, modalities: Mapping[str, Modality], plugins: Plugins) -> list[Renamed]:
    then, found = read_plan(folder).modalities, list[Renamed]()
    for field in sorted(set(then) & set(modalities)):
        try:
            before = load_modality(folder / "fields" / field, then[field], field=field, plugins=plugins)
        except MmcoreError as error:
            print(f"fields.{field}: what its numbers meant cannot be read, so weights are taken as they fit: {error}")
            continue
        found += renamed(field, before, modalities[field])
    return found


def _shown(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
