"""Run a model over batches and collect what its tasks predict, beside the truth."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from mmcore.interfaces.field import Batch
from mmcore.interfaces.metric import Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.task import Outputs, Task
from mmcore.model.decode import Told, generate
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.prepare import prepare


@dataclass(frozen=True)
class Judged:
    """Predictions of one task over all rows, and the truth beside them."""

    predictions: Table
    truth: Table
    """Empty where the targets are not there."""
    present: np.ndarray
    """[rows] bool: the row has all of the task's targets."""
    row: np.ndarray
    """[rows] index into the manifest."""
    group: np.ndarray
    """[rows] equal numbers belong together."""

    def known(self) -> "Judged":
        """The rows that have their targets."""
        keep = self.present
        return Judged(
            pick(self.predictions, keep), pick(self.truth, keep), keep[keep], self.row[keep], self.group[keep]
        )


def predict(
    model: MultimodalModel,
    batches: Iterable[Batch],
    *,
    modalities: Mapping[str, Modality],
    device: torch.device | str = "cpu",
    without: Collection[str] = (),
    write: bool = False,
) -> dict[str, Judged]:
    """What every task says of every batch, in the order given.

    modalities: those of the fields that arrive raw. without: fields that are taken away from every sample first.
    write: tasks that write do so; else they say only how likely the given texts are.
    The model is in evaluation mode inside and goes back to the mode it was in.
    """
    was_training = model.training
    model.eval()
    parts: dict[str, list[Judged]] = {name: [] for name in model.tasks}
    with torch.inference_mode():
        for batch in batches:
            ready = prepare(_take_away(batch.to(device), without), modalities)
            outputs = outputs_of(model, ready, modalities=modalities, write=write)
            for name, task in model.each_task().items():
                parts[name].append(_judge(task, outputs[name], ready))
    model.train(was_training)
    return {name: _stack(found) for name, found in parts.items()}


def outputs_of(
    model: MultimodalModel, batch: Batch, *, modalities: Mapping[str, Modality], write: bool, told: Told | None = None
) -> dict[str, Outputs]:
    """The outputs of every task for a prepared batch and, with `write`, beside them what those that write wrote."""
    outputs: dict[str, Outputs] = model(batch)
    for name, task in model.each_task().items() if write else ():
        if task.generates is not None and task.writing is not None:
            facts = modalities[task.generates].facts()
            ids, log_probability = generate(
                model, batch, field=task.generates, facts=facts, writing=task.writing, told=told
            )
            outputs[name] = {**outputs[name], "ids": ids, "log_probability": log_probability}
    return outputs


def truths(
    model: MultimodalModel, batches: Iterable[Batch], *, modalities: Mapping[str, Modality]
) -> dict[str, Judged]:
    """The truth of every task without any prediction; batches need hold no more than the targets."""
    parts: dict[str, list[Judged]] = {name: [] for name in model.tasks}
    for batch in batches:
        ready = prepare(batch, modalities)
        for name, task in model.each_task().items():
            parts[name].append(_judge(task, None, ready))
    return {name: _stack(found) for name, found in parts.items()}


def pick(table: Table, rows: np.ndarray) -> Table:
    """The rows of a table named by an index or a bool mask."""
    return {name: column[rows] for name, column in table.items()}


def _judge(task: Task, outputs: Outputs | None, batch: Batch) -> Judged:
    fields = batch.fields
    there = all(name in fields for name in task.targets)
    present = np.full(len(batch), there)
    for name in task.targets if there else ():
        present &= fields[name].present.cpu().numpy()
    truth = task.truth(batch) if there else {}
    predictions: Table = {}
    if outputs is not None:
        predictions = {**task.predict(outputs), **(task.measure(outputs, batch) if there else {})}
    return Judged(predictions, truth, present, batch.row.cpu().numpy(), batch.group.cpu().numpy())


def _take_away(batch: Batch, without: Collection[str]) -> Batch:
    everyone = torch.ones(len(batch), dtype=torch.bool, device=batch.row.device)
    return batch.with_fields({name: batch.fields[name].hide(everyone) for name in without})


def _stack(parts: list[Judged]) -> Judged:
    assert parts, "there must be at least one batch"
    return Judged(
        {name: np.concatenate([part.predictions[name] for part in parts]) for name in parts[0].predictions},
        {name: np.concatenate([part.truth[name] for part in parts]) for name in parts[0].truth},
        np.concatenate([part.present for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.group for part in parts]),
    )
