"""floors: what a model must beat; the most frequent answer, and each field alone."""

from dataclasses import replace

from mmcore.config.params import Params
from mmcore.data.writing import write_json
from mmcore.errors import ConfigError
from mmcore.evaluation.predict import Judged, predict, truths
from mmcore.evaluation.score import Scores, majority, score
from mmcore.evaluation.settings import EvaluationSettings, FloorSettings
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import ModelPlan
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.fabric import Fabric
from mmcore.runtime.signals import catch_signals
from mmcore.stages.fingerprint import fingerprint
from mmcore.stages.fitting import fit_model, launch_for
from mmcore.stages.inputs import Inputs, load_modalities, open_inputs, plan_of
from mmcore.stages.paths import Paths
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.settings import TrainingSettings

READS = ("fields", "tasks", "training", "floors", "evaluation")


def run(params: Params, paths: Paths, *, plugins: Plugins | None = None) -> None:
    """Write floors.json: scores on the judged split by the floor's name, `majority` or the field that stands alone."""
    plugins = plugins or installed()
    floors = params.get("floors", FloorSettings)
    if floors.fusion is None:
        raise ConfigError("floors.fusion must name the fusion of a model with one field, for example {name: concat}.")
    plan = replace(plan_of(params), fusion=floors.fusion)
    settings = replace(params.get("training", TrainingSettings), epochs=floors.epochs, patience=None)
    modalities = load_modalities(params.fields(), paths, plugins)
    fabric = launch_for(settings)
    found = dict[str, Scores]()
    done = list[Checkpoints]()
    alone = sorted(plan.encoders) if floors.alone and len(plan.encoders) > 1 else []
    for name in alone or sorted(plan.encoders)[:1]:
        single = plan.only(name, floors.fusion)
        model = assemble(single, modalities, seed=settings.seed, plugins=plugins)
        inputs = open_inputs(params.fields(), paths, modalities=modalities, model=model)
        found.setdefault("majority", _majority(model, inputs, params))
        if alone:
            mark = fingerprint(params, single, paths=paths, plugins=plugins)
            done.append(Checkpoints(paths.state / "training" / f"{mark}-alone-{name}"))
            _train(model, inputs, plan=single, settings=settings, fabric=fabric, checkpoints=done[-1], name=name)
            found[name] = score(model, _judge(model, inputs, params))
    write_json(paths.floors, found)
    for checkpoints in done:
        checkpoints.clear()


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
    return predict(model.cpu(), batches, modalities=inputs.raw)


def _train(
    model: MultimodalModel,
    inputs: Inputs,
    *,
    plan: ModelPlan,
    settings: TrainingSettings,
    fabric: Fabric,
    checkpoints: Checkpoints,
    name: str,
) -> None:
    with catch_signals() as stop:
        fit_model(
            model, inputs, plan=plan, settings=settings, fabric=fabric, checkpoints=checkpoints,
            stop=lambda: stop.requested, validates=False, title=f"{name} alone",
        )  # fmt: skip
