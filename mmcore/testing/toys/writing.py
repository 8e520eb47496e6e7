"""A toy task that writes: each token from those before it."""

# B = samples of a batch, S = positions of the text

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mmcore.errors import BuildError, listing
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.metric import Metric, Table
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.settings import Range
from mmcore.interfaces.task import Outputs, Task, logits_of
from mmcore.interfaces.writing import Writing


class ToyGeneration(Task):
    """Cross-entropy of the next token; tells `text` where one was written, `nll` and `tokens` of the given one."""

    def __init__(
        self,
        writes: Mapping[str, int],
        fields: Mapping[str, Modality],
        *,
        target: str,
        max_tokens: Annotated[int, Range(1)] = 8,
    ) -> None:
        """target: a field whose facts have an end."""
        super().__init__(writes, fields)
        if target not in fields or "eos" not in fields[target].facts():
            raise BuildError(f"the target {target!r} is no field of texts. Fields: {listing(fields)}.")
        self.reads, self.targets, self.generates = (logits_of(target),), (target,), target
        self.modality, self.writing = fields[target], Writing(max_tokens=max_tokens)

    def forward(self, streams: Streams) -> Outputs:
        """`logits` [B,S,vocabulary]."""
        return {"logits": streams[self.reads[0]].values}

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """The mean over scored tokens."""
        text = batch.fields[self.targets[0]]
        return {"cross_entropy": self.each(outputs, text).sum() / self.scored(text).sum().clamp_min(1)}

    def counts(self, batch: Batch) -> Tensor:
        """Scored tokens."""
        return self.scored(batch.fields[self.targets[0]]).sum()

    def each(self, outputs: Outputs, text: Field) -> Tensor:
        """[B,S-1] -log p of each token after the first, 0 where it is not scored."""
        told = outputs["logits"][:, :-1].transpose(1, 2)
        each = functional.cross_entropy(told, text.values[:, 1:], reduction="none")
        return torch.where(self.scored(text), each, 0)

    def scored(self, text: Field) -> Tensor:
        """[B,S-1] bool."""
        scored = text.present.unsqueeze(1).expand(text.values.shape)
        scored = scored if text.mask is None else scored & text.mask
        return (scored if text.scored is None else scored & text.scored)[:, 1:]

    def predict(self, outputs: Outputs) -> Table:
        """`text` and `score`, where one was written."""
        if "ids" not in outputs:
            return {}
        return {"text": _column(self.modality.decode(outputs["ids"])), "score": outputs["log_probability"].numpy()}

    def measure(self, outputs: Outputs, batch: Batch) -> Table:
        """`nll` and `tokens`."""
        text = batch.fields[self.targets[0]]
        return {"nll": self.each(outputs, text).sum(1).numpy(), "tokens": self.scored(text).sum(1).numpy()}

    def truth(self, batch: Batch) -> Table:
        """`text`: what is to be written."""
        text = batch.fields[self.targets[0]]
        first = torch.zeros(len(batch), 1, dtype=torch.bool)
        return {"text": _column(self.modality.decode(text.values * torch.cat([first, text.written()[:, 1:]], 1)))}

    def metrics(self) -> dict[str, Metric]:
        """`nll` for each token, and `exact_match`."""
        return {"nll": ToyNLL(), "exact_match": ToyMatch()}


class ToyNLL(Metric):
    """-log p for each token."""

    better: Literal["up", "down"] = "down"
    needs = ("nll", "tokens")

    def __call__(self, predictions: Table, targets: Table) -> float:
        return self.of(self.digest(predictions, targets))

    def digest(self, predictions: Table, targets: Table) -> Table:
        """Both columns."""
        return {name: predictions[name] for name in self.needs}

    def of(self, digest: Table) -> float:
        """Sum over sum."""
        return float(digest["nll"].sum() / tokens) if (tokens := digest["tokens"].sum()) else float("nan")


class ToyMatch(Metric):
    """The share of texts that are the given ones."""

    better: Literal["up", "down"] = "up"
    needs = ("text",)
    share = True

    def __call__(self, predictions: Table, targets: Table) -> float:
        right = self.rows(predictions, targets)
        return float(right.mean()) if len(right) else float("nan")

    def rows(self, predictions: Table, targets: Table) -> np.ndarray:
        """1 where it is."""
        return np.asarray(predictions["text"] == targets["text"], dtype=np.float64)


def _column(texts: list[str]) -> np.ndarray:
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column
