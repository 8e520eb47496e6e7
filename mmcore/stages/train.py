"""train: from prepared inputs to a model folder."""

from mmcore.config.params import Params
from mmcore.config.pretrain import FIRST, PretrainSettings
from mmcore.registry.plugins import Plugins, installed
from mmcore.stages.fitting import fit_and_save
from mmcore.stages.paths import Paths
from mmcore.training.loop import EachEpoch
from mmcore.training.settings import TrainingSettings

READS = ("fields", "fusion", "tasks", "model", "training", "pretrain")
DEVICES = "training.devices"
"""Where the number of processes stands that run this stage together."""


def run(
    params: Params, paths: Paths, *, plugins: Plugins | None = None, each_epoch: EachEpoch = lambda row: None
) -> None:
    """Write model/, plots/learning.csv and timings.json. Killed and started again, it ends with the same bytes."""
    before = params.get("pretrain", PretrainSettings).runs
    fit_and_save(
        params, paths, params.get("training", TrainingSettings), plugins=plugins or installed(),
        start=paths.pretrain(FIRST) / "model" / "model.safetensors" if before else None,
        model=paths.model, learning=paths.learning, timings=paths.timings, title="train",
        each_epoch=each_epoch,
    )  # fmt: skip
