"""From a plan to a model: builds the parts and sees that they fit."""

from collections.abc import Collection, Mapping
from functools import partial

from mmcore.errors import BuildError, listing
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.fusion import Fusion, Port
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.task import Task, logits_of
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.seeds import seeded
from mmcore.registry.plugins import Plugins, installed


def assemble(
    plan: ModelPlan, modalities: Mapping[str, Modality], *, seed: int, plugins: Plugins | None = None
) -> MultimodalModel:
    """The model of a plan, with random weights; each part has a seed of its own.

    modalities: fitted, one for each field of the plan. Raises BuildError, ConfigError or PluginError where parts are
    unknown, take other settings or do not fit each other.
    """
    plugins = plugins or installed()
    owners = {name: _owner(plan, name) for name in sorted(plan.encoders)}
    if not owners:
        raise BuildError("no field has an encoder: give at least one field of params.yaml an 'encoder'.")
    encoders = {
        name: build_encoder(plan, modalities[name], name=name, seed=seed, plugins=plugins)
        for name in sorted(set(owners.values()))
    }
    ports = {name: Port(encoders[owner].widths, encoders[owner].elastic) for name, owner in owners.items()}
    with seeded(seed, "fusion"):
        fusion: Fusion = plugins.fusion.build(plan.fusion, ports, where="fusion", seeded=partial(seeded, seed))
    causal = {name for name, owner in owners.items() if encoders[owner].causal}
    writers = {name for name in causal if name in fusion.writes}
    writes = {**fusion.writes, **{logits_of(name): _vocabulary(modalities[name]) for name in sorted(writers)}}
    tasks = dict[str, Task]()
    for name in sorted(plan.tasks):
        with seeded(seed, f"tasks.{name}"):
            tasks[name] = plugins.task.build(
                plan.tasks[name], writes, modalities, where=f"tasks.{name}", seeded=partial(seeded, seed)
            )
        _check_task(name, tasks[name], fusion, writers=writers)
    frozen = frozenset(name for name in encoders if plan.encoders[name].frozen)
    return MultimodalModel(encoders, fusion, tasks=tasks, owners=owners, settings=plan.settings, frozen=frozen)


def build_encoder(plan: ModelPlan, modality: Modality, *, name: str, seed: int, plugins: Plugins) -> Encoder:
    """The encoder of one field, as it is in the whole model. Raises BuildError where it reads another modality."""
    part, reads = plan.encoders[name].part, plan.modalities[name].name
    found = plugins.encoder.load(part.name)
    if found.consumes not in (reads, modality.passes_for):
        raise BuildError(
            f"fields.{name}: the encoder {part.name!r} reads {found.consumes!r}, but the field's modality is "
            f"{reads!r}. Choose another encoder or another modality."
        )
    with seeded(seed, f"encoders.{name}"):
        encoder: Encoder = plugins.encoder.build(part, modality.facts(), where=f"fields.{name}.encoder")
    return encoder


def _owner(plan: ModelPlan, name: str) -> str:
    like = plan.encoders[name].like
    if like is None:
        return name
    if like not in plan.encoders or plan.encoders[like].like is not None:
        own = [
            field
            for field, encoder in plan.encoders.items()
            if isinstance(encoder, EncoderPlan) and encoder.like is None
        ]
        raise BuildError(f"fields.{name}.like names {like!r}. Fields with an encoder of their own: {listing(own)}.")
    return like


def _vocabulary(modality: Modality) -> int:
    return int(modality.facts()["vocabulary"])


def _check_task(name: str, task: Task, fusion: Fusion, *, writers: Collection[str]) -> None:
    if task.generates is not None and task.generates in fusion.looks_ahead:
        raise BuildError(
            f"tasks.{name} writes the field {task.generates!r}, but in the fusion {type(fusion).__name__}, as it is "
            "set, its tokens learn of later ones through the other fields. Choose align, prefix or trunk, or cross in "
            "one direction."
        )
    if task.generates is not None and task.generates not in writers:
        raise BuildError(
            f"tasks.{name} writes the field {task.generates!r}: that needs an encoder which sees no later token "
            "(causal: true) and a fusion that gives its tokens as a stream of that name (align, prefix, cross). "
            f"Fields that can be written as it is: {listing(writers)}."
        )
    lacking = set(task.reads) - set(fusion.writes) - {logits_of(writer) for writer in writers}
    if lacking:
        raise BuildError(
            f"tasks.{name} reads {listing(lacking)}, but the fusion {type(fusion).__name__} writes only "
            f"{listing(fusion.writes)}. Choose another fusion, or set the streams that the task reads."
        )
