"""One training on prepared inputs: what train and floors have in common."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from mmcore.data.balance import even_shares
from mmcore.data.loader import Loader
from mmcore.errors import ConfigError, listing
from mmcore.evaluation.predict import predict
from mmcore.evaluation.score import better_of, needs_text, score
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Batch
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import ModelPlan
from mmcore.runtime.fabric import Fabric, launch
from mmcore.stages.inputs import Inputs
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.loop import Data, Goal, train
from mmcore.training.settings import TrainingSettings


def launch_for(settings: TrainingSettings) -> Fabric:
    """The device and precision that the settings ask for."""
    return launch(
        device=settings.device,
        precision=settings.precision,
        threads=settings.threads,
        deterministic=settings.deterministic,
    )


def fit_model(
    model: MultimodalModel,
    inputs: Inputs,
    *,
    plan: ModelPlan,
    settings: TrainingSettings,
    fabric: Fabric,
    checkpoints: Checkpoints,
    stop: Callable[[], int | None],
    validates: bool,
    title: str,
) -> list[dict[str, float]]:
    """Train a fresh model on the inputs' training split; its curves, one row an epoch."""
    for encoder in model.encoders.values():
        assert isinstance(encoder, Encoder)
        encoder.warm_start()
    model.cached = inputs.cached
    rows = inputs.dataset.rows("train")
    shares = None if settings.balance is None else _shares(inputs, rows, settings.balance)

    def loader(epoch: int, start: int) -> Loader:
        return Loader(
            inputs.dataset, rows, batch_size=settings.batch_size, seed=settings.seed, shuffle=True, shares=shares,
            epoch=epoch, start=start,
        )  # fmt: skip

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        return iter(loader(epoch, start))

    def validate(trained: MultimodalModel) -> Mapping[str, float]:
        held_out = inputs.batches("validation", batch_size=4 * settings.batch_size)
        return score(trained, predict(trained, held_out, modalities=inputs.raw, device=fabric.device, write=writes))

    validates = validates and len(inputs.dataset.rows("validation")) > 0
    better = better_of(model, settings.monitor) if validates else "up"
    writes = validates and needs_text(model, settings.monitor)  # else validation tells how likely the given texts are
    data = Data(batches, batches_an_epoch=len(loader(0, 0)), modalities=inputs.raw)
    goal = Goal(validate if validates else None, better=better, weights=plan.weights)
    return train(
        model, data, goal=goal, settings=settings, fabric=fabric, checkpoints=checkpoints, stop=stop, title=title
    )


def _shares(inputs: Inputs, rows: np.ndarray, field: str) -> np.ndarray:
    if field not in inputs.modalities:
        raise ConfigError(f"training.balance is {field!r}. Fields there are: {listing(inputs.modalities)}.")
    return even_shares(inputs.dataset.arrays(field, rows), key="training.balance")
