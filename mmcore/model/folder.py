"""The model folder: all that prediction needs, and nothing else."""

# model.safetensors   the weights
# model.yaml          the plan, and the versions of what made it, with digests of the code that is from outside
# fields/FIELD/       what each modality's fit learned

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import EntryPoint, version
from pathlib import Path
from typing import Any

import yaml

from mmcore.errors import ArtifactError, Interrupted, MmcoreError, listing
from mmcore.interfaces.modality import Modality
from mmcore.model.assemble import assemble
from mmcore.model.edited import Edited, edited
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.settings import ModelSettings
from mmcore.model.weights import load_state, load_tensors, save_tensors, state_of
from mmcore.registry.plugins import Plugins, installed, package_of
from mmcore.registry.settings import Part
from mmcore.registry.versions import check_versions

FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """A model as it was read from its folder, ready to predict."""

    model: MultimodalModel
    modalities: Mapping[str, Modality]
    plan: ModelPlan
    columns: Mapping[str, str | tuple[str, ...]]
    """Field -> the column of the source that it was trained from, or several."""
    about: Mapping[str, Any]
    edited: tuple[Edited, ...] = ()
    """Packages from outside with other code than made it: it may answer otherwise than it was judged."""


def save_model(
    folder: Path,
    model: MultimodalModel,
    *,
    plan: ModelPlan,
    modalities: Mapping[str, Modality],
    columns: Mapping[str, str | tuple[str, ...]],
    code: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
) -> None:
    """Write the folder, whose parent exists. Equal models give equal bytes.

    code: the digests of packages from outside, as `mm compose` recorded them; those that the plan does not name are
    left out.
    """
    plan = _rebuildable(plan, model)
    folder.mkdir(exist_ok=True)
    save_tensors(state_of(model), folder / "model.safetensors")
    for name in sorted(modalities):
        target = folder / "fields" / name
        target.mkdir(parents=True, exist_ok=True)
        modalities[name].save(target)
    packages = packages_of(plan, plugins or installed())
    digests = {name: digest for name, digest in (code or {}).items() if name in packages}
    about = {
        "format": FORMAT,
        "packages": packages,
        **({"code": digests} if digests else {}),
        "columns": {name: columns[name] for name in sorted(columns)},
        "plan": plan_to_yaml(plan),
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(about, sort_keys=True, allow_unicode=True), encoding="utf-8")


def load_model(folder: Path, *, plugins: Plugins | None = None) -> Saved:
    """Read a model folder. Touches no hub and needs neither DVC, Prefect nor Hydra.

    Raises ArtifactError where the folder is not one, was made by another format or major version of a plugin, or does
    not load by code that was edited since.
    """
    plugins = plugins or installed()
    about = _read(folder / "model.yaml")
    check_versions(folder, about["packages"])
    plan = plan_of_yaml(about["plan"])
    code = about.get("code", {})  # none where nothing was from outside, or in a folder of before there were digests
    changed = edited(code, versions=about["packages"], points=points_of(plan, plugins)) if code else ()
    try:
        modalities = {
            name: load_modality(folder / "fields" / name, plan.modalities[name], field=name, plugins=plugins)
            for name in sorted(plan.modalities)
        }
        model = assemble(plan, modalities, seed=0, plugins=plugins)
        load_state(model, load_tensors(folder / "model.safetensors"), what=str(folder / "model.safetensors"))
    except Exception as error:  # code may raise anything about what it was not written for
        if not changed or isinstance(error, Interrupted):
            raise
        told = str(error) if isinstance(error, MmcoreError) else repr(error)
        raise ArtifactError(
            f"{folder} cannot be loaded, and was made with other code of {listing(map(str, changed))}. Put that code "
            f"back, or train again. What went wrong: {told}"
        ) from error
    columns = {name: column if isinstance(column, str) else tuple(column) for name, column in about["columns"].items()}
    return Saved(model.eval(), modalities, plan, columns, about, changed)


def read_plan(folder: Path) -> ModelPlan:
    """What the model of a folder is made of. Raises ArtifactError where the folder is none."""
    return plan_of_yaml(_read(folder / "model.yaml")["plan"])


def load_modality(folder: Path, part: Part, *, field: str, plugins: Plugins) -> Modality:
    """A fitted modality from the folder that its `save` wrote."""
    if not folder.is_dir():
        raise ArtifactError(
            f"{folder} is not there. Run `dvc repro`, or `mm stage fit --field {field}`, which writes it."
        )
    found, settings = plugins.modality.check(part, where=f"fields.{field}.modality")
    modality: Modality = found.load(folder, **settings)
    return modality


def packages_of(plan: ModelPlan, plugins: Plugins) -> dict[str, str]:
    """Name -> version of mmcore and of every package whose plugins the plan names."""
    made_by = dict(package_of(point) for point in points_of(plan, plugins) if point.dist is not None)
    return dict(sorted({"mmcore": version("mmcore"), **made_by}.items()))


def points_of(plan: ModelPlan, plugins: Plugins) -> list[EntryPoint]:
    """Where every plugin that the plan names lies, those within others too."""
    parts = [("modality", part) for part in plan.modalities.values()]
    parts += [("encoder", encoder.part) for encoder in plan.encoders.values()]
    parts += [("fusion", plan.fusion), *(("task", part) for part in plan.tasks.values())]
    return [point for kind, part in parts for point in plugins.points(kind, part)]


def plan_to_yaml(plan: ModelPlan) -> dict[str, Any]:
    """The plan in plain mappings."""
    encoders = {
        name: {"part": encoder.part.to_yaml(), "like": encoder.like, "frozen": encoder.frozen}
        for name, encoder in plan.encoders.items()
    }
    return {
        "modalities": {name: part.to_yaml() for name, part in plan.modalities.items()},
        "encoders": encoders,
        "fusion": plan.fusion.to_yaml(),
        "tasks": {name: part.to_yaml() for name, part in plan.tasks.items()},
        "weights": dict(plan.weights),
        "settings": asdict(plan.settings),
    }


def plan_of_yaml(raw: Mapping[str, Any]) -> ModelPlan:
    """The plan from plain mappings."""

    def part(value: Any) -> Part:
        return Part.from_yaml(value, "model.yaml")

    encoders = {
        name: EncoderPlan(part(value["part"]), value["like"], value["frozen"])
        for name, value in raw["encoders"].items()
    }
    return ModelPlan(
        modalities={name: part(value) for name, value in raw["modalities"].items()},
        encoders=encoders,
        fusion=part(raw["fusion"]),
        tasks={name: part(value) for name, value in raw["tasks"].items()},
        weights=raw["weights"],
        settings=ModelSettings(**raw["settings"]),
    )


def _rebuildable(plan: ModelPlan, model: MultimodalModel) -> ModelPlan:
    """The plan, with what its encoders need in order to be built anew without their pretrained weights."""

    def rebuilt(name: str, encoder: EncoderPlan) -> EncoderPlan:
        settings = {**encoder.part.settings, **model.encoder(name).rebuilt_with()}
        return replace(encoder, part=Part(encoder.part.name, settings))

    return replace(plan, encoders={name: rebuilt(name, encoder) for name, encoder in plan.encoders.items()})


def _read(path: Path) -> dict[str, Any]:
    try:
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ArtifactError(f"{path.parent} is no model folder: model.yaml cannot be read ({error}).") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        made = about.get("format") if isinstance(about, dict) else None
        raise ArtifactError(
            f"{path} has format {made!r}, this mmcore reads format {FORMAT}. "
            "Train again, or install the mmcore that made it."
        )
    return about
