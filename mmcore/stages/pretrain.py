"""pretrain@RUN: a first training, which the training proper goes on from."""

from collections.abc import Callable

from mmcore.config.params import Params
from mmcore.registry.plugins import Plugins, installed
from mmcore.stages.fitting import fit_and_save
from mmcore.stages.paths import Paths
from mmcore.training.settings import TrainingSettings

READS = ("data.id", "fields", "fusion", "tasks", "model", "pretrain.runs.{run}")
DEVICES = "pretrain.runs.{run}.devices"
"""Where the number of processes stands that run this stage together."""


def run(
    params: Params,
    paths: Paths,
    *,
    run: str,
    plugins: Plugins | None = None,
    each_step: Callable[[], None] = lambda: None,
) -> None:
    """Write pretrain/RUN/model/ and pretrain/RUN/learning.csv. each_step: told of what is trained."""
    settings = params.get(f"pretrain.runs.{run}", TrainingSettings)
    folder = paths.pretrain(run)
    folder.mkdir(parents=True, exist_ok=True)
    fit_and_save(
        params, paths, settings, plugins=plugins or installed(), start=None, model=folder / "model",
        learning=folder / "learning.csv", timings=None, title="pretrain", each_step=each_step,
    )  # fmt: skip
