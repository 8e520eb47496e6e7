"""floors: what a model must beat; the most frequent answer, and each field alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mmcore.config.params import Params
from mmcore.data.writing import write_json
from mmcore.errors import BuildError, ConfigError
from mmcore.evaluation.predict import Judged, predict, truths
from mmcore.evaluation.score import Scores, majority, score
from mmcore.evaluation.settings import EvaluationSettings, FloorSettings
from mmcore.interfaces.modality import Modality
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import ModelPlan
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.fabric import Fabric
from mmcore.runtime.signals import catch_signals
from mmcore.stages.evaluate import rows_of
from mmcore.stages.fingerprint import fingerprint
from mmcore.stages.fitting import fit_model, launch_for
from mmcore.stages.inputs import Inputs, load_modalities, open_inputs, plan_of
from mmcore.stages.paths import Paths
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.parts import of_parts_there
from mmcore.training.settings import TrainingSettings

READS = ("fields", "tasks", "training", "floors", "evaluation")
DEVICES = "training.devices"
"""Where the number of processes stands that run this stage together."""


@dataclass(frozen=True)
class Alone:
    """A model of one field, and of those that its tasks write."""

    plan: ModelPlan
    model: MultimodalModel
    hidden: frozenset[str] = frozenset()
    """Fields that it has and never sees."""


def run(params: Params, paths: Paths, *, plugins: Plugins | None = None) -> None:
    """Write floors.json: scores on the judged split by the floor's name, `majority` or the field that stands alone.

    A task that writes has the field that it writes beside each other one; null where floors.fusion shows it nothing
    but that. A task that ties fields together (alignment) has no floor of a field alone.
    """
    plugins = plugins or installed()
    floors = params.get("floors", FloorSettings)
    if floors.fusion is None:
        raise ConfigError("floors.fusion must name the fusion of a model with one field, for example {name: concat}.")
    plan = replace(plan_of(params), fusion=floors.fusion)
    settings = replace(params.get("training", TrainingSettings), epochs=floors.epochs, patience=None, keep="last")
    modalities = load_modalities(params.fields(), paths, plugins)
    model = assemble(plan, modalities, seed=settings.seed, plugins=plugins)
    inputs = open_inputs(params.fields(), paths, modalities=modalities, model=model)
    rows_of(inputs, params.get("evaluation", EvaluationSettings).split)
    found: dict[str, Scores | None] = {"majority": _majority(model, inputs, params)}
    fabric, done = launch_for(settings), list[Checkpoints]()
    for name in sorted(plan.encoders) if floors.alone and len(plan.encoders) > 1 else ():
        asked = replace(plan, tasks={task: plan.tasks[task] for task in _tasks_of(model, name)})
        if not asked.tasks:
            continue
        if not _reaches(model, name):
            found[name] = None
            continue
        alone = _alone(asked, name, of=model, modalities=modalities, seed=settings.seed, plugins=plugins)
        some = open_inputs(params.fields(), paths, modalities=modalities, model=alone.model)
        some = replace(some, dataset=some.dataset.without(alone.hidden))
        mark = fingerprint(params, alone.plan, paths=paths, plugins=plugins)
        done.append(Checkpoints(paths.state / "training" / f"{mark}-alone-{name}"))
        _train(alone, some, settings=settings, fabric=fabric, checkpoints=done[-1], name=name)
        found[name] = score(alone.model, _judge(alone.model, some, params))
    if fabric.is_global_zero:
        write_json(paths.floors, found)
        for checkpoints in done:
            checkpoints.clear()
    fabric.barrier()


def _tasks_of(model: MultimodalModel, name: str) -> list[str]:
    """The tasks that a field alone can be asked for: none that ties fields together or reads another field's stream."""
    seen, tasks = set(model.owners), model.each_task()
    tied = {task for task, found in tasks.items() if found.coupled and len(seen & set(found.targets)) > 1}
    others = seen - {name} - model.generated
    return [task for task, found in tasks.items() if task not in tied and not others & set(found.reads)]


def _reaches(model: MultimodalModel, name: str) -> bool:
    """Whether the fusion lets `name` reach what is written: it must look between the stages of that."""
    return name in model.generated or all(model.fusion.taps[text] == "between" for text in model.generated)


def _alone(
    plan: ModelPlan, name: str, *, of: MultimodalModel, modalities: Mapping[str, Modality], seed: int, plugins: Plugins
) -> Alone:
    """Without the other fields or, where the fusion needs them, with all of them absent in every row."""
    kept = {name, *of.generated}
    try:
        single = plan.only(kept)
        return Alone(single, assemble(single, modalities, seed=seed, plugins=plugins))
    except BuildError:
        if not of.generated:
            raise
        hidden = frozenset(plan.encoders) - kept
        return Alone(plan, assemble(plan, modalities, seed=seed, plugins=plugins), hidden)


def _majority(model: MultimodalModel, inputs: Inputs, params: Params) -> Scores:
    """Needs no training: the targets of both splits are read through the model's tasks."""
    settings = params.get("evaluation", EvaluationSettings)
    seen = {}
    for split in ("train", settings.split):
        batches = inputs.targets(split, model=model, batch_size=settings.batch_size)
        seen[split] = truths(model, batches, modalities=inputs.raw)
    return majority(model, seen["train"], seen[settings.split])


def _judge(model: MultimodalModel, inputs: Inputs, params: Params) -> dict[str, Judged]:
    settings = params.get("evaluation", EvaluationSettings)
    batches = inputs.batches(settings.split, batch_size=settings.batch_size)
    return predict(model.cpu(), batches, modalities=inputs.raw, write=settings.write)


def _train(
    alone: Alone, inputs: Inputs, *, settings: TrainingSettings, fabric: Fabric, checkpoints: Checkpoints, name: str
) -> None:
    with catch_signals() as stop:
        fit_model(
            alone.model, inputs, plan=alone.plan, settings=of_parts_there(settings, alone.model), fabric=fabric,
            checkpoints=checkpoints, stop=lambda: stop.requested, validates=False, title=f"{name} alone",
        )  # fmt: skip
