"""Keeping the modality that learns fastest from silencing the others: OGM-GE (Peng et al. 2022, 2203.15332)."""

# B = samples of a batch, C = classes, D = width

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmcore.errors import ConfigError, listing
from mmcore.interfaces.field import Batch
from mmcore.interfaces.fusion import Streams
from mmcore.interfaces.modality import Modality
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.named import NamedModules


class Probes(nn.Module):
    """A linear classifier on each field's own stream, which it reads without touching the model.

    The paper takes the unimodal scores from slices of a concatenation's weights; a probe says the same of any fusion
    that gives each field's tokens as a stream.
    """

    NAME: ClassVar[str] = "(probes)"
    """Beside the tasks' names among the outputs; no task can be called so."""

    def __init__(self, widths: Mapping[str, int], *, target: str, classes: int, alpha: float) -> None:
        """widths: D of the stream of each field. alpha: how strongly their scores modulate the encoders' gradients."""
        super().__init__()
        self.target, self.alpha = target, alpha
        self.heads = NamedModules({name: nn.Linear(width, classes) for name, width in widths.items()})
        self._scores = dict[str, Tensor]()

    @classmethod
    def of(cls, model: MultimodalModel, modalities: Mapping[str, Modality], *, alpha: float) -> "Probes":
        """The probes for a model's first task over classes. Raises ConfigError where it has none, or one field only."""
        widths = {name: model.fusion.writes[name] for name in model.owners if name in model.fusion.writes}
        if len(widths) < 2:
            raise ConfigError(
                "training.modulate needs a fusion that gives at least two fields' own tokens as streams (concat, sum, "
                f"gated); {type(model.fusion).__name__} gives those of: {listing(widths)}. Set it to null."
            )
        for name in sorted(model.tasks):
            target = model.each_task()[name].targets[0]
            if target in modalities and "classes" in modalities[target].facts():
                return cls(widths, target=target, classes=len(modalities[target].facts()["classes"]), alpha=alpha)
        raise ConfigError("training.modulate needs a task whose target is a class. Set it to null.")

    def forward(self, streams: Streams) -> dict[str, Tensor]:
        """Logits [B,C] by field."""
        return {name: head(streams[name].pool().detach().float()) for name, head in self.heads.items()}

    def loss(self, logits: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Cross-entropy of all probes over samples that have the target; remembers how sure each was of the truth."""
        field = batch.fields[self.target]
        known = field.present.float()
        losses = list[Tensor]()
        for name, values in logits.items():
            each = functional.cross_entropy(values, field.values, reduction="none")
            losses.append((each * known).sum() / known.sum().clamp_min(1))
            sure = (torch.exp(-each.detach()) * known).sum()
            self._scores[name] = self._scores[name] + sure if name in self._scores else sure
        return torch.stack(losses).sum()

    def factors(self) -> dict[str, Tensor]:
        """The factor k for the gradients of each field's encoder (eq. 10), from the losses since the last call.

        Below 1 where a field is ahead: rho, its summed probability of the true class over the mean of the other
        fields' (eq. 8), is above 1.
        """
        score, self._scores = self._scores, {}
        total, others = torch.stack(list(score.values())).sum(), len(score) - 1
        found = dict[str, Tensor]()
        for name, own in score.items():
            rho = own * others / (total - own).clamp_min(1e-8)
            found[name] = torch.where(rho > 1, 1 - torch.tanh(self.alpha * rho), torch.ones_like(rho))
        return found


def modulate(model: MultimodalModel, factors: Mapping[str, Tensor]) -> None:
    """Scale the gradients of each field's encoder, and add noise as strong as they were (GE, sec. 3.4) to matrices.

    The noise is not scaled along: an encoder that is slowed keeps what helps it to generalise. An encoder that several
    fields share takes the mean of their factors.
    """
    of_owner = dict[str, list[Tensor]]()
    for name, factor in factors.items():
        of_owner.setdefault(model.owners[name], []).append(factor)
    for owner, shared in of_owner.items():
        for parameter in model.encoder(owner).parameters():
            if parameter.grad is None:
                continue
            scaled = parameter.grad * torch.stack(shared).mean()
            if parameter.ndim >= 2:
                scaled = scaled + torch.randn_like(scaled) * parameter.grad.std(correction=0)
            parameter.grad.copy_(scaled)
