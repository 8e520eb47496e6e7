"""train: from prepared inputs to a model folder."""

from collections.abc import Callable
from pathlib import Path

from mmcore.config.params import Params
from mmcore.config.pretrain import CHAMPION, FIRST, PretrainSettings
from mmcore.errors import ArtifactError
from mmcore.registry.plugins import Plugins, installed
from mmcore.stages.fitting import fit_and_save
from mmcore.stages.paths import Paths
from mmcore.training.loop import EachEpoch
from mmcore.training.settings import TrainingSettings

READS = ("data.id", "fields", "fusion", "tasks", "model", "training", "pretrain")
DEVICES = "training.devices"
"""Where the number of processes stands that run this stage together."""


def run(
    params: Params,
    paths: Paths,
    *,
    plugins: Plugins | None = None,
    each_step: Callable[[], None] = lambda: None,
    each_epoch: EachEpoch = lambda row: None,
) -> None:
    """Write model/, plots/learning.csv and timings.json. Killed and started again, it ends with the same bytes.

    each_step, each_epoch: told of what is trained.
    """
    before, settings = params.get("pretrain", PretrainSettings).runs, params.get("training", TrainingSettings)
    start = paths.pretrain(FIRST) / "model" / "model.safetensors" if before else None
    if settings.start_from == "champion":
        start = champion(paths)
    fit_and_save(
        params, paths, settings, plugins=plugins or installed(), start=start, partly=settings.start_from is not None,
        model=paths.model, learning=paths.learning, timings=paths.timings, title="train",
        each_step=each_step, each_epoch=each_epoch,
    )  # fmt: skip


def champion(paths: Paths) -> Path | None:
    """The weights of the model in use; None where there is none yet. Raises ArtifactError where nobody put it there."""
    folder = paths.root / CHAMPION
    if not folder.is_dir():
        raise ArtifactError(
            f"training.start_from is champion, but {CHAMPION} is not there. `python -m flows.retrain` puts the model "
            "in use there. Set training.start_from to null to start from nothing."
        )
    weights = folder / "model.safetensors"
    return weights if weights.exists() else None
