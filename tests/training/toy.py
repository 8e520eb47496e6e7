"""A toy training that several tests, and a process that is killed, run."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mmcore.evaluation.predict import predict
from mmcore.evaluation.score import score
from mmcore.interfaces.field import Batch
from mmcore.model.assemble import assemble
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.plan import EncoderPlan, ModelPlan
from mmcore.model.settings import ModelSettings
from mmcore.model.weights import save_tensors, state_of
from mmcore.registry.settings import Part
from mmcore.runtime.fabric import launch
from mmcore.testing.toys import toy_batch, toy_modalities, toy_plugins
from mmcore.training.checkpoint import Checkpoints
from mmcore.training.loop import Data, Goal, train
from mmcore.training.settings import TrainingSettings

PLAN = ModelPlan(
    modalities={"vector": Part("vector", {}), "sequence": Part("sequence", {}), "label": Part("label", {})},
    encoders={"vector": EncoderPlan(Part("mlp", {"dropout": 0.1})), "sequence": EncoderPlan(Part("causal_gru", {}))},
    fusion=Part("toy_concat", {}),
    tasks={"answer": Part("toy_classification", {"target": "label"})},
    settings=ModelSettings(modality_dropout=0.1),
)
BATCHES = 12


def settings(**changed: Any) -> TrainingSettings:
    """A short training on one thread; every step writes a checkpoint unless `changed` says otherwise."""
    short = {"monitor": "answer/accuracy", "epochs": 4, "lr": 0.01, "threads": 1, "checkpoint_every_s": 0.0}
    return TrainingSettings(**{**short, **changed})


def batches(epoch: int, start: int) -> Iterator[Batch]:
    """The same batches for the same epoch, whatever the start."""
    for number in range(start, BATCHES):
        yield toy_batch(8, seed=1000 * epoch + number)


def validate(model: MultimodalModel) -> Mapping[str, float]:
    """Scores on rows that no epoch has."""
    return score(model, predict(model, [toy_batch(64, seed=999_999)], modalities=toy_modalities()))


def run(folder: Path, chosen: TrainingSettings, **more: Any) -> tuple[MultimodalModel, list[dict[str, float]]]:
    """Train from the newest checkpoint in `folder`."""
    model = assemble(PLAN, toy_modalities(), seed=chosen.seed, plugins=toy_plugins())
    fabric = launch(device="cpu", precision="float32", threads=chosen.threads, deterministic=True)
    data = Data(batches, batches_an_epoch=BATCHES, modalities=toy_modalities())
    goal = Goal(validate, better="up")
    curves = train(
        model, data, goal=goal, settings=chosen, fabric=fabric, checkpoints=Checkpoints(folder), title="toy", **more
    )
    return model, curves


def weights(model: MultimodalModel) -> dict[str, torch.Tensor]:
    """Copies of all weights by name."""
    return {name: tensor.clone() for name, tensor in state_of(model).items()}


if __name__ == "__main__":
    checkpoints, result = Path(sys.argv[1]), Path(sys.argv[2])
    trained, _ = run(checkpoints, settings(ema=0.9))
    save_tensors(state_of(trained), result)
