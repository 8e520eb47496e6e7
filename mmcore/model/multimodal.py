"""The model: encoders, a fusion and tasks; it alone knows about absent fields."""

# B = samples of a batch, N = tokens of a sample, D = width, M = fields

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Fusion, Streams
from mmcore.interfaces.norms import trains
from mmcore.interfaces.run import Run, through
from mmcore.interfaces.task import Outputs, Task, logits_of
from mmcore.interfaces.tokens import Tokens
from mmcore.model.named import NamedModules, NamedParameters
from mmcore.model.settings import ModelSettings


@dataclass(frozen=True)
class Cached:
    """A field whose batches hold what the encoder's last stage would give: values [B,N,D], mask [B,N]."""

    grid: tuple[int, ...] | None = None
    """That of every full row; None where rows have none or differ."""
    causal: bool = False
    weights: str | None = None
    """The digest of the encoder that gave them; None where an older mmcore wrote them."""

    def tokens(self, field: Field) -> Tokens:
        """The field as the tokens of a finished run."""
        shape = field.values.shape[:2]
        steps = torch.arange(1, shape[1] + 1, device=field.values.device).expand(shape) if self.causal else None
        grid = self.grid if field.mask is None else None
        return Tokens.of(field.values, field.mask, order=steps, grid=grid, causal=self.causal)


class MultimodalModel(nn.Module):
    """Fields in, outputs of every task out."""

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        *,
        tasks: Mapping[str, Task],
        owners: Mapping[str, str],
        settings: ModelSettings,
        frozen: frozenset[str] = frozenset(),
    ) -> None:
        """encoders: by the field that owns them. owners: every input field -> the field whose encoder it uses.

        frozen: owners whose encoder stays as it is: it is kept in evaluation mode and has no blank token, so that what
        it gives does not depend on training and can be computed once.
        """
        super().__init__()
        self.owners = {name: owners[name] for name in sorted(owners)}
        self.encoders = NamedModules(encoders)
        self.fusion = fusion
        self.tasks = NamedModules(tasks)
        self.settings = settings
        self.frozen = frozen
        self.cached: Mapping[str, Cached] = {}
        """Fields whose batches hold finished features; set by a training, never saved."""
        self.expect_gaps = False
        """Take no field for complete: where weights are divided among processes, all must use the same of them."""
        self.generated = frozenset(task.generates for task in tasks.values() if task.generates)
        self.blanks = NamedParameters(
            {name: nn.Parameter(torch.zeros(self.encoder(name).widths[0])) for name in self.owners if self._blank(name)}
        )
        for name in frozen:
            self.encoders[name].requires_grad_(False)

    def encoder(self, name: str) -> Encoder:
        """The encoder that the field `name` goes through."""
        found = self.encoders[self.owners[name]]
        assert isinstance(found, Encoder)
        return found

    def each_task(self) -> dict[str, Task]:
        """The tasks by name."""
        return {name: task for name, task in self.tasks.items() if isinstance(task, Task)}

    def train(self, mode: bool = True) -> "MultimodalModel":
        """Training mode for all but frozen encoders."""
        super().train(mode)
        for name in self.frozen:
            self.encoders[name].eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Outputs]:
        """A prepared batch -> the outputs of each task."""
        return self.outputs(self.streams(batch))

    def streams(self, batch: Batch) -> Streams:
        """A prepared batch -> what the fusion says of it."""
        return self.read_out(self.fusion(self.start(batch)))

    def outputs(self, streams: Streams) -> dict[str, Outputs]:
        """What each task makes of the streams."""
        return {name: task(streams) for name, task in self.tasks.items()}

    def read_out(self, streams: Streams) -> Streams:
        """The same streams and, for each field that a task writes, the logits of its tokens."""
        logits: Streams = {}
        for name in sorted(self.generated):
            values = self.encoder(name).readout(streams[name])
            assert values is not None, f"assemble sees that the encoder of {name!r} has a readout"
            logits[logits_of(name)] = streams[name].with_values(values)
        return {**streams, **logits}

    def start(self, batch: Batch) -> dict[str, Run]:
        """A run for each input field, embedded, with absent samples masked or blank."""
        kept = self._presence(batch)
        return {name: self._run(name, batch.fields[name], kept[name]) for name in self.owners}

    def _run(self, name: str, field: Field, present: Tensor | None) -> Run:
        encoder = self.encoder(name)
        if name in self.cached:
            return Run(name, encoder, tokens=_without(self.cached[name].tokens(field), present), finished=True)
        norms = encoder if encoder.batch_statistics else None
        rows = None
        if norms is not None and present is not None and trains(norms):
            rows = present.nonzero().squeeze(1)
        tokens = _without(through(encoder.embed, field, rows, norms=norms), present)
        if name in self.blanks and present is not None:
            tokens = _with_blank(tokens, present, self.blanks[name])
        return Run(name, encoder, tokens=tokens, rows=rows)

    def _blank(self, name: str) -> bool:
        """A blank needs stages that it may go through: trained ones that look at each sample by itself."""
        own = self.owners[name] not in self.frozen and not self.encoder(name).batch_statistics
        return self.settings.blank and own and name not in self.generated

    def _presence(self, batch: Batch) -> dict[str, Tensor | None]:
        """[B] bool for each input field; None where every sample is known to have it."""
        fields = {name: batch.fields[name] for name in self.owners}
        known = not self.expect_gaps
        kept: dict[str, Tensor | None] = {
            name: None if field.complete and known else field.present for name, field in fields.items()
        }
        droppable = [name for name in self.owners if name not in self.generated]
        if not self.training or not self.settings.modality_dropout or len(droppable) < 2:
            return kept
        present = torch.stack([fields[name].present for name in droppable])  # [M, B]
        chance = torch.rand(present.shape, device=present.device)
        keep = present & (chance >= self.settings.modality_dropout)
        last = torch.where(present, chance, -1.0).argmax(
            0, keepdim=True
        )  # of those present, one stays whatever happens
        spared = torch.zeros_like(present).scatter(0, last, True) & present
        keep = torch.where(keep.any(0), keep, spared)
        return {**kept, **dict(zip(droppable, keep, strict=True))}


def _without(tokens: Tokens, present: Tensor | None) -> Tokens:
    """The same tokens, with the samples that are not present [B] masked; None: all are present."""
    if present is None:
        return tokens
    mask = tokens.mask & present.unsqueeze(1)
    return replace(tokens, mask=mask, dense=False).zeroed()


def _with_blank(tokens: Tokens, present: Tensor, blank: Tensor) -> Tokens:
    """The first token of each absent sample becomes the blank one."""
    first = torch.zeros_like(tokens.mask)
    first[:, 0] = True
    gone = first & ~present.unsqueeze(1)
    values = torch.where(gone.unsqueeze(-1), blank.to(tokens.values.dtype), tokens.values)
    return replace(tokens, values=values, mask=tokens.mask | gone)
