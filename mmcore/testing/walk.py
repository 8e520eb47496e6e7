"""Walking a field through an encoder as the model does, so that contracts see what training sees."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Fusion, Port, Streams
from mmcore.interfaces.run import Run
from mmcore.interfaces.tokens import Tokens
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.settings import ModelSettings


class NoFusion(Fusion):
    """Every run finishes."""

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """The finished runs by name."""
        return {name: runs[name].finish() for name in sorted(runs)}


def model_of(
    encoders: Mapping[str, Encoder],
    fusion: Fusion | None = None,
    *,
    owners: Mapping[str, str] | None = None,
    blank: bool = False,
) -> MultimodalModel:
    """A model without tasks; with `blank`, a token of random numbers stands for what is absent.

    owners: each field's encoder, where several share one; else each has its own.
    """
    owners, settings = owners or {name: name for name in encoders}, ModelSettings(blank=blank)
    chosen = fusion or NoFusion({name: Port(encoders[owner].widths) for name, owner in owners.items()})
    model = MultimodalModel(encoders, chosen, tasks={}, owners=owners, settings=settings)
    draw = torch.Generator().manual_seed(5)
    for parameter in model.blanks.parameters():
        nn.init.normal_(parameter, generator=draw)
    return model


def batch_of(fields: Mapping[str, Field]) -> Batch:
    """Fields as a batch whose rows are numbered from 0."""
    rows = torch.arange(len(next(iter(fields.values()))))
    return Batch(fields, row=rows, group=rows)


def walk(encoder: Encoder, field: Field, *, blank: bool = False) -> Tokens:
    """What a field is when its run has finished, in whatever mode the encoder is."""
    model = model_of({"field": encoder}, blank=blank).train(encoder.training)
    streams = model.fusion(model.start(batch_of({"field": field})))
    found: Tokens = streams["field"]
    return found


def stations(encoder: Encoder, field: Field) -> list[Tokens]:
    """The tokens after `embed` and after each stage, as the model would have them."""
    run = model_of({"field": encoder}).train(encoder.training).start(batch_of({"field": field}))["field"]
    return [run.own, *(run.advance() for _ in range(encoder.depth))]


def dishonest(tokens: Tokens) -> str | None:
    """Which of the flags dense, flat and causal says what is not so; None where all are true."""
    steps = tokens.order.diff(dim=1)
    if tokens.dense and not tokens.mask.all():
        return "dense is True, but some tokens are masked"
    if tokens.flat and steps.ne(0).any():
        return "flat is True, but order differs along N"
    if tokens.causal and steps.ne(1).any():
        return "causal is True, but order does not rise by one along N"
    return None


def present_rows(field: Field, absent: list[int]) -> tuple[Field, Tensor]:
    """The field without `absent` rows, and the index of those that are left."""
    left = torch.tensor([n for n in range(len(field)) if n not in absent])
    return field.hide(torch.tensor(absent)), left
