"""Plain encoders for a fusion to drive: one per port, of the port's widths."""

# B = samples of a batch, N = tokens of a sample, S = positions of a field, D = width

from collections.abc import Collection, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmcore.interfaces.encoder import Encoder, Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.fusion import Fusion, Port
from mmcore.interfaces.run import Run
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.walk import batch_of, model_of

LENGTH = 5
"""Positions of a ragged probe field, the longest row."""
GRID = (2, 3)
NUMBERS = 4
"""Numbers at each position of a probe field."""


class ProbeStage(Stage):
    """Dense for each token, plus the sum of what it may see where tokens can be inserted."""

    def __init__(self, width: int, width_out: int, *, mixes: bool, junk: float) -> None:
        """mixes: tokens look at each other. junk: what is left in masked places."""
        super().__init__()
        self.dense = nn.Linear(width, width_out)
        self.mixes = mixes
        self.junk = junk

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,N,width_out]; the cache holds what the tokens before these show to later ones."""
        values = self.dense(tokens.zeroed().values)
        if self.mixes:
            seen = {"values": values, "mask": tokens.mask, "order": tokens.order}
            if cache is not None:
                seen = {name: torch.cat([cache.get(name, part[:, :0]), part], 1) for name, part in seen.items()}
                cache.update(seen)
            sees = seen["mask"].unsqueeze(1) & (seen["order"].unsqueeze(1) <= tokens.order.unsqueeze(2))
            share = sees.to(values.dtype) / sees.sum(-1, keepdim=True).clamp_min(1)
            values = values + share @ seen["values"]
        return tokens.with_values(torch.where(tokens.mask.unsqueeze(-1), torch.tanh(values), self.junk))


class Probe(Encoder):
    """A field of vectors; ragged, causal and elastic for an elastic port, a grid for another."""

    consumes: ClassVar[str] = "probe"

    def __init__(self, port: Port, *, junk: float = 0.0) -> None:
        """port: whose widths the stages have. junk: what they leave in masked places."""
        super().__init__({})
        self.widths = port.widths
        self.elastic = self.causal = port.elastic
        self.first = nn.Linear(NUMBERS, port.widths[0])
        pairs = zip(port.widths[:-1], port.widths[1:], strict=True)
        self.stages = nn.ModuleList(ProbeStage(one, other, mixes=port.elastic, junk=junk) for one, other in pairs)

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """[B,S,NUMBERS] -> [B,S,D]."""
        values = self.first(field.values)
        if not self.elastic:
            return Tokens.of(values, grid=GRID)
        steps = torch.arange(1, values.shape[1] + 1, device=values.device).expand(values.shape[:2])
        first = start.unsqueeze(1) if isinstance(start, Tensor) else start
        return Tokens.of(values, field.mask, order=steps + first, causal=True)


def probe_field(port: Port, samples: int, generator: torch.Generator) -> Field:
    """What a probe reads: rows of several lengths for an elastic port, GRID positions for another."""
    length = LENGTH if port.elastic else GRID[0] * GRID[1]
    values = torch.randn(samples, length, NUMBERS, generator=generator)
    present = torch.ones(samples, dtype=torch.bool)
    if not port.elastic:
        return Field(values, present)
    lengths = torch.randint(2, length + 1, (samples, 1), generator=generator)
    lengths[0] = length
    return Field(values, present, torch.arange(length) < lengths)


def probe_runs(
    fusion: Fusion,
    ports: Mapping[str, Port],
    *,
    without: Collection[str] = (),
    moved: str | None = None,
) -> dict[str, Run]:
    """Runs of four samples through a probe for each port, the same each time, for a fusion to drive.

    without: fields that every sample lacks. moved: a field whose numbers are others.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = model_of({name: Probe(ports[name]) for name in sorted(ports)}, fusion).train(fusion.training)
    draw = torch.Generator().manual_seed(0)
    fields = {name: probe_field(ports[name], 4, draw) for name in sorted(ports)}
    for name in without:
        fields[name] = fields[name].hide(torch.arange(4))
    if moved is not None:
        fields[moved] = fields[moved].with_values(fields[moved].values + 1)
    return model.start(batch_of(fields))
