"""A task: streams to outputs, outputs to a loss while training and to predictions in use."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.writing import Writing

Outputs = dict[str, Tensor]
"""Tensors by name whose first axis is the batch; row b depends on row b of the streams only."""


def logits_of(field: str) -> str:
    """The stream that the model adds for a field which a task writes: [B,S,vocabulary]."""
    return f"{field}/logits"


class Task(nn.Module, ABC):
    """Reads streams, is judged against a target field. A target that nobody encodes may be missing in use."""

    reads: tuple[str, ...]
    """The streams it needs; checked against `Fusion.writes` when the model is built."""
    targets: tuple[str, ...]
    """The fields that the loss and the metrics look at; rows without one of them are left out of both."""
    coupled: bool = False
    """The loss ties samples together (contrastive): outputs are accumulated over parts of a batch, not losses. With
    several devices it sees of the other devices' fields who is present, and values only where a row has one number."""
    settles: bool = False
    """After the training `settle` has something to learn from the validation rows."""
    generates: str | None = None
    """The field it writes: exempt from modality dropout and blanks; the loss reads it shifted by one. Its stream
    `logits_of(field)` [B,S,vocabulary] comes from the encoder's `readout`. Where text was written, `predict` finds
    beside the outputs of `forward` its `ids` [B,K], padded behind, and `log_probability` [B]."""
    writing: Writing | None = None
    """How the field is written in use; None where `generates` is."""

    def __init__(self, writes: Mapping[str, int], fields: Mapping[str, Modality]) -> None:
        """writes: streams with their widths. fields: every field's fitted modality, targets included.

        Settings follow as keyword arguments, `target` among them where the task has one.
        Raises BuildError where the target is no field or not of a kind that the task can learn.
        """
        super().__init__()

    @classmethod
    def settings_fault(cls, settings: Mapping[str, Any]) -> str | None:
        """What is wrong with settings that are right one by one and contradict each other; None where nothing is.

        settings: every one by name, defaults too. Asked before there is any data, by `mm compose --check`, and when the
        task is built; the parts of any other kind may have such a method too.
        """
        return None

    @abstractmethod
    def forward(self, streams: Streams) -> Outputs:
        """Streams to outputs, for each sample on its own; finite where a sample lacks a stream, gradients too."""

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Scalars by name, to be added up; means over the rows that have their targets, 0 where no row has.

        The zero still touches the outputs, so that backward works.
        """

    def counts(self, batch: Batch) -> Tensor:
        """How much there is in a batch for `loss` to take its means over: rows that have their targets.

        Parts of a batch, divided among devices or accumulated one after another, get the whole batch's loss by it.
        Where the loss is the mean over something else (tokens, weights of classes), say so here, by the fields of
        `targets`: there may be no others in the batch. A coupled loss is not asked.
        """
        return torch.stack([batch.fields[name].present for name in self.targets]).all(0).sum()

    def settle(self, predictions: Table, truth: Table) -> str | None:
        """Fix what is left to fix once the training is over, a threshold say; keep it in a buffer.

        predictions, truth: of the validation rows that have their targets. Returns what was found, for people.
        """
        return None

    @abstractmethod
    def predict(self, outputs: Outputs) -> Table:
        """What a user wants to know, a row a sample: labels, probabilities, numbers, texts.

        Columns have any names and are told as they are, but for these. `probabilities` [B,C], with C the number of
        classes or labels of the first target that has any, are told by their names, and the share of `label`, where it
        is one of them, as `probability`. `mm ask` says `text`, `label`, `labels` or `value`; the report takes
        `probability`, else the highest of `probabilities`, for how sure the model is.
        A coupled task's column with the name of a field is about that field: in use, rows that lack the field get none.
        """

    def measure(self, outputs: Outputs, batch: Batch) -> Table:
        """Columns beside the predictions that take outputs and targets together: a given text's log-likelihood.

        As in `predict` and `truth`, a row's do not depend on which other rows are in the batch.
        """
        return {}

    @abstractmethod
    def truth(self, batch: Batch) -> Table:
        """The targets in the form that `metrics` compares with; rows without a target hold anything.

        Of a field that the task writes: `Field.written`, which is what it writes where it is judged; in a text with
        `writing.UNKNOWN` for each token that stands for what has none, since without it a shorter answer would match. A
        column `unknown` [B] beside `text` says how many those are; the report counts the texts that hold any.
        """

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """Metrics by name (`accuracy`); the first is what the task is judged by."""

    def floor(self, truth: Table, rows: int) -> Table | None:
        """Predictions for `rows` samples of one who saw only the training targets `truth`; None where there is none."""
        return None
