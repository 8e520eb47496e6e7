"""The gradients of one optimizer step."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from mmcore.interfaces.field import Batch
from mmcore.interfaces.modality import Modality
from mmcore.interfaces.task import Outputs
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.prepare import prepare
from mmcore.runtime.fabric import Fabric
from mmcore.runtime.peers import Peers
from mmcore.training.compiled import as_fits
from mmcore.training.gradcache import backward_in_chunks
from mmcore.training.modulation import Probes, modulate
from mmcore.training.together import Shares, losses, shares

Loss = Callable[[Mapping[str, Outputs], Batch], Tensor]
"""The outputs of each task for a batch -> one number."""


class Carrier:
    """Hides a batch from Fabric, which would walk through it and refuses frozen dataclasses."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class Carried(nn.Module):
    """A model that takes its batch from a carrier, and what looks over its shoulder while it learns."""

    def __init__(self, model: MultimodalModel, probes: Probes | None = None) -> None:
        super().__init__()
        self.model = model
        self.probes = probes

    def forward(self, carrier: Carrier) -> dict[str, Outputs]:
        """The outputs of each task and, where there are probes, theirs under their own name."""
        streams = self.model.streams(carrier.batch)
        outputs = self.model.outputs(streams)
        return outputs if self.probes is None else {**outputs, Probes.NAME: self.probes(streams)}


@dataclass(frozen=True)
class Stepper:
    """Turns batches into gradients on the model's parameters."""

    carried: nn.Module
    """Carried, as Fabric wrapped it."""
    model: MultimodalModel
    fabric: Fabric
    modalities: Mapping[str, Modality]
    """Those of the fields that arrive raw."""
    weights: Mapping[str, float]
    """The share of each task's loss; 1 where none is given."""
    generator: torch.Generator
    """What augmentation draws from."""
    chunk: int | None = None
    """Samples that are in memory at once; None: the whole batch."""
    probes: Probes | None = None
    peers: Peers | None = None
    """Who has the other parts of each batch; None: nobody, batches are whole."""

    def backward(self, group: list[Batch]) -> Tensor:
        """Add the gradients of the loss that a group would have as one batch; returns it times its batches, float64.

        With several processes it is this one's share of that, and gradients are the same in all of them. Of losses that
        tie samples together, which see one batch at a time, it is the mean.
        """
        total = torch.zeros((), dtype=torch.float64, device=self.fabric.device)
        scale = (1 if self.peers is None else self.peers.size) / len(group)
        for number, (batch, share) in enumerate(zip(group, self._shares(group), strict=True)):
            here = batch.row.device == self.fabric.device
            ready, last = batch if here else batch.to(self.fabric.device), number == len(group) - 1
            chunked = self.chunk is not None and self.chunk < len(batch)
            way, loss = self._in_chunks if chunked else self._at_once, partial(self._loss, share=share)
            total += way(ready, loss, scale=scale, last=last)
        self._leave_blanks(group)
        if self.probes is not None:
            modulate(self.model, self.probes.factors())
        return total

    def _leave_blanks(self, group: list[Batch]) -> None:
        """With several processes, give no gradient to blanks that no sample of the group asked for, as with one.

        Samples that stand for nothing, and weights that are divided, leave zeros, with which the optimizer would go on
        by its moments.
        """
        model = self.model
        drops = model.settings.modality_dropout and len(model.owners.keys() - model.generated) > 1  # asks for all
        names = [name for name in model.owners if name in model.blanks]
        if self.peers is None or self.peers.size == 1 or drops or not names:
            return
        given = [[batch.fields[name] for batch in group] for name in names]
        asked = self.peers.agree(*(any(not (f.complete or f.padded) for f in fields) for fields in given))
        for name, by in zip(names, asked, strict=True):
            if not by:
                model.blanks[name].grad = None

    def _shares(self, group: list[Batch]) -> Sequence[Shares | None]:
        """What each batch's losses are multiplied by; None where there is nothing beside it."""
        if len(group) == 1:
            return [None]
        tasks = self.model.each_task()
        judged = {name for task in tasks.values() if not task.coupled for name in task.targets}
        parts = list[Batch]()
        for batch in group:
            part = replace(batch, fields={name: batch.fields[name] for name in judged}).to(self.fabric.device)
            parts.append(prepare(part, self.modalities))
        return shares(tasks, parts, peers=self.peers)

    def _at_once(self, batch: Batch, loss_of: Loss, *, scale: float, last: bool) -> Tensor:
        with self._quiet(not last):
            outputs, ready = self._forward(batch)
            loss = loss_of(outputs, ready)
            self.fabric.backward(loss if scale == 1 else loss * scale)
        return loss.detach()

    def _in_chunks(self, batch: Batch, loss_of: Loss, *, scale: float, last: bool) -> Tensor:
        assert self.chunk is not None, "only called where chunks are asked for"
        return backward_in_chunks(
            batch, size=self.chunk, forward=self._forward_chunk, loss=loss_of, backward=self.fabric.backward,
            generator=self.generator, targets=self._pure_targets(), scale=scale,
            quiet=lambda last_chunk: self._quiet(not (last and last_chunk)),
        )  # fmt: skip

    def _quiet(self, quiet: bool) -> AbstractContextManager[None]:
        """Inside, gradients stay with the process that has them; they are exchanged once for each step."""
        if self.peers is None or self.peers.size == 1:
            return nullcontext()
        return self.fabric.no_backward_sync(self.carried, enabled=quiet)  # type: ignore[arg-type]

    def _pure_targets(self) -> list[str]:
        """Fields that tasks are judged by and no encoder reads."""
        named = {name for task in self.model.each_task().values() for name in task.targets}
        return sorted(named - set(self.model.owners))

    def _forward_chunk(self, chunk: Batch) -> tuple[dict[str, Outputs], Batch]:
        assert self.chunk is not None, "only called where chunks are asked for"
        with as_fits(self.model, [chunk], usual=self.chunk):
            return self._forward(chunk)

    def _forward(self, batch: Batch) -> tuple[dict[str, Outputs], Batch]:
        ready = prepare(batch, self.modalities, augment=self.generator)
        outputs: dict[str, Outputs] = self.carried(Carrier(ready))
        return outputs, ready

    def _loss(self, outputs: Mapping[str, Outputs], batch: Batch, share: Shares | None) -> Tensor:
        """The weighted sum of every task's losses, and the probes' own, which reaches nothing but the probes."""
        tasks, parts = self.model.each_task(), list[Tensor]()
        if self.peers is None or self.peers.size == 1:
            found = {name: task.loss(outputs[name], batch) for name, task in tasks.items()}
            for name, own in (share or {}).items():
                found[name] = {key: loss * own for key, loss in found[name].items()}
        else:
            found = losses(tasks, outputs, batch, peers=self.peers, share=share)
        for name, named in found.items():
            weight = self.weights.get(name, 1.0)
            parts += [loss if weight == 1 else weight * loss for loss in named.values()]
        loss = parts[0] if len(parts) == 1 else torch.stack(parts).sum()
        if self.probes is None:
            return loss
        probing = self.probes.loss(outputs[Probes.NAME], batch)
        return loss + probing - probing.detach()  # its gradient, without its value
