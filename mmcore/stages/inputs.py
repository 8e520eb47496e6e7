"""What train, floors and evaluate start from: the plan in params.yaml and the prepared data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from mmcore.config.agree import joint_taken
from mmcore.config.fields import FieldSettings
from mmcore.config.params import Params
from mmcore.config.tasks import WEIGHT, weight_of
from mmcore.data.dataset import Collates, Dataset
from mmcore.data.features import Features
from mmcore.data.loader import Loader
from mmcore.errors import BuildError, ConfigError
from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.model.features import why_not_used
from mmcore.model.folder import load_modality
from mmcore.model.multimodal import Cached, MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.settings import ModelSettings
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import Part
from mmcore.stages.outputs import read_output
from mmcore.stages.paths import Paths


@dataclass(frozen=True)
class Inputs:
    """Fitted modalities, and batches of the fields that a model needs."""

    dataset: Dataset
    modalities: Mapping[str, Modality]
    """Every field's."""
    cached: Mapping[str, Cached]
    """Fields whose batches hold finished features."""

    @property
    def raw(self) -> dict[str, Modality]:
        """The modalities of fields whose batches are still to be prepared."""
        return {name: modality for name, modality in self.modalities.items() if name not in self.cached}

    def batches(self, split: str, *, batch_size: int) -> Iterator[Batch]:
        """Every usable row of a split once, in order."""
        return iter(Loader(self.dataset, self.dataset.rows(split), batch_size=batch_size))

    def targets(self, split: str, *, model: MultimodalModel, batch_size: int) -> Iterator[Batch]:
        """As `batches`, with the fields alone that the model's tasks are judged by."""
        names = sorted({name for task in model.each_task().values() for name in task.targets})
        return iter(Loader(self.dataset.only(names), self.dataset.rows(split), batch_size=batch_size))


def plan_of(params: Params) -> ModelPlan:
    """The model that params.yaml asks for. A task's `weight` is the core's own setting and no plugin's.

    Raises ConfigError where a field is called as a stream of fusions is.
    """
    fields, tasks = params.fields(), params.tasks()
    if (taken := joint_taken(fields)) is not None:
        raise ConfigError(taken)
    settings = ModelSettings() if "model" not in params.keys else params.get("model", ModelSettings)
    return ModelPlan(
        modalities={name: field.modality for name, field in fields.items()},
        encoders={
            name: EncoderPlan(field.encoder, field.like, field.frozen)
            for name, field in fields.items()
            if field.encoder is not None
        },
        fusion=params.get("fusion", Part) if "fusion" in params.keys else Part("none", {}),
        tasks={name: Part(part.name, _without_weight(part)) for name, part in tasks.items()},
        weights={name: weight_of(name, part) for name, part in tasks.items() if WEIGHT in part.settings},
        settings=settings,
    )


def load_modalities(fields: Mapping[str, FieldSettings], paths: Paths, plugins: Plugins) -> dict[str, Modality]:
    """Every field's modality as its fit left it."""
    return {
        name: load_modality(paths.fit(name), field.modality, field=name, plugins=plugins)
        for name, field in fields.items()
    }


def open_inputs(
    fields: Mapping[str, FieldSettings],
    paths: Paths,
    *,
    modalities: Mapping[str, Modality],
    model: MultimodalModel,
    features: bool = True,
) -> Inputs:
    """The prepared data of the fields that `model` and its tasks look at. features: False: none is taken as features.

    Raises BuildError where a field says `features: on` and its features cannot be used, with the reason.
    """
    stored = {name: _cached(name, fields[name], paths, model) for name in model.owners} if features else {}
    cached = {name: found for name, found in stored.items() if found is not None}
    readers: dict[str, Collates] = dict(modalities)
    stores = {name: paths.store(name) for name in modalities}
    for name, found in cached.items():
        readers[name] = Features(model.encoder(name).widths[-1], tokens=prod(found.grid or (1,)))
        stores[name] = paths.features(name) / "store"
    dataset = Dataset.open(readers, stores, manifest=paths.manifest, quarantine=paths.quarantine)
    return Inputs(dataset, modalities, cached)


def _cached(name: str, field: FieldSettings, paths: Paths, model: MultimodalModel) -> Cached | None:
    about = read_output(paths.features(name) / "features.json", f"features --field {name}")
    why = about["why"] or why_not_used(model.fusion, name)
    if name in model.generated:
        why = "a task writes it, token by token"
    if why is None:
        return Cached(None if about["grid"] is None else tuple(about["grid"]), about["causal"], about.get("weights"))
    if field.features == "on":
        raise BuildError(f"fields.{name}.features is on, but {why}. Set it to auto, or mend that.")
    return None


def _without_weight(part: Part) -> dict[str, object]:
    return {key: value for key, value in part.settings.items() if key != WEIGHT}
