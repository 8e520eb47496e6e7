"""train: from prepared inputs to a model folder."""

import time

from mmcore.config.params import Params
from mmcore.data.writing import write_json
from mmcore.model.assemble import assemble
from mmcore.model.folder import save_model
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.signals import catch_signals
from mmcore.stages.fingerprint import fingerprint
from mmcore.stages.fitting import fit_model, launch_for
from mmcore.stages.inputs import load_modalities, open_inputs, plan_of
from mmcore.stages.paths import Paths
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.curves import write_curves
from mmcore.training.settings import TrainingSettings

READS = ("fields", "fusion", "tasks", "model", "training")


def run(params: Params, paths: Paths, *, plugins: Plugins | None = None) -> None:
    """Write model/, plots/learning.csv and timings.json. Killed and started again, it ends with the same bytes."""
    plugins = plugins or installed()
    settings = params.get("training", TrainingSettings)
    plan, fields = plan_of(params), params.fields()
    fabric = launch_for(settings)
    modalities = load_modalities(fields, paths, plugins)
    model = assemble(plan, modalities, seed=settings.seed, plugins=plugins)
    inputs = open_inputs(fields, paths, modalities=modalities, model=model)
    checkpoints = Checkpoints(paths.state / "training" / fingerprint(params, plan, paths=paths, plugins=plugins))
    started = time.perf_counter()
    with catch_signals() as stop:
        curves = fit_model(
            model, inputs, plan=plan, settings=settings, fabric=fabric, checkpoints=checkpoints,
            stop=lambda: stop.requested, validates=True, title="train",
        )  # fmt: skip
    columns = {name: field.column for name, field in fields.items()}
    save_model(paths.model, model.cpu(), plan=plan, modalities=modalities, columns=columns, plugins=plugins)
    write_curves(paths.learning, curves)
    about = {"train_s": round(time.perf_counter() - started, 1), "device": str(fabric.device)}
    write_json(paths.timings, {**about, "parameters": sum(p.numel() for p in model.parameters())})
    checkpoints.clear()
