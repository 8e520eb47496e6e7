"""Shared tokens ride with every field and are averaged between them.

Nagrani et al., Attention Bottlenecks for Multimodal Fusion (MBT), 2021 (2107.00135), section 3.2.
"""

# B = samples of a batch, N = tokens of a sample, K = shared tokens, M = fields they ride with, D = width

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from mm_fusion.pooled import Pool, pooled, pooled_width, side_by_side
from mmcore.errors import BuildError, listing
from mmcore.interfaces.fusion import Fusion, Port, Streams
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens


class Bottleneck(Fusion):
    """In each of the last stages: [x_m, z_m] = stage_m([x_m, z]) for each field m, then z = mean of the z_m present.

    z are K learned tokens at first. They ride with every field whose stages take inserted tokens, through a layer each
    way where its width is another than theirs; the other fields finish by themselves. The end of a causal text looks at
    the shared tokens, which know all of it: it cannot be written. `joint` is the mean of z beside the pooled fields.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        tokens: Annotated[int, Range(1, soft_high=64, log=True)] = 4,
        last: Annotated[int, Range(1, soft_high=12)] = 1,
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        pool: Pool = "mean",
    ) -> None:
        """tokens: how many are shared. last: stages that they ride through. width: of the shared tokens.

        pool: how a field's tokens become a vector of `joint`. A field with fewer stages than `last` joins in later.
        Raises BuildError where no field takes them.
        """
        super().__init__(ports)
        self.names, self.last, self.pool = tuple(sorted(ports)), last, pool
        self.riding = tuple(name for name in self.names if ports[name].elastic and ports[name].depth)
        if not self.riding:
            raise BuildError(
                "the fusion bottleneck needs a field whose stages take inserted tokens (a transformer, an RNN), but "
                f"none of {listing(ports)} has them. Choose another encoder, or the fusion cross."
            )
        self.shared = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.enter, self.leave = nn.ModuleList(), nn.ModuleList()
        for name in self.riding:
            before, after = ports[name].widths[:-1][-last:], ports[name].widths[1:][-last:]
            self.enter.append(nn.ModuleList(_between(width, each) for each in before))
            self.leave.append(nn.ModuleList(_between(each, width) for each in after))
        self.taps = {name: "between" if name in self.riding else "end" for name in self.names}
        self.looks_ahead = frozenset(self.riding)
        joint = width + sum(pooled_width(ports[name].width, pool) for name in self.names)
        self.writes = {**{name: ports[name].width for name in self.names}, "joint": joint}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """Every field's own stream, and `joint`: one token, absent where every field is."""
        riding = [runs[name] for name in self.riding]
        for run in riding:
            run.need_stages()
            run.advance(max(0, run.depth - self.last))
        shared = self.shared.expand(len(riding[0].own.mask), -1, -1)
        for step in range(self.last):
            found: list[Tensor] = []
            fields: list[Tokens] = []
            for run, enter, leave in zip(riding, self.enter, self.leave, strict=True):
                stage = step - self.last + len(enter)  # among those that it takes part in
                if stage >= 0:
                    _put(run, enter[stage](shared), first=stage == 0)
                    fields.append(run.advance())
                    found.append(leave[stage](run.guests.values))
            shared = _mean(found, fields, otherwise=shared)
        ends = {name: runs[name].finish() for name in self.names}
        fields = [ends[name] for name in self.names]
        vectors = [shared.mean(1), *(pooled(tokens, self.pool) for tokens in fields)]
        return {**ends, "joint": side_by_side(fields, vectors)}


def _between(width: int, width_out: int) -> nn.Module:
    return nn.Identity() if width == width_out else nn.Linear(width, width_out)


def _put(run: Run, values: Tensor, *, first: bool) -> None:
    """The shared tokens [B,K,D] behind those of the run, in place of what came out of its stage before."""
    if first:
        run.append(Tokens.of(values))
    else:
        run.guests = run.guests.with_values(values)


def _mean(found: Sequence[Tensor], fields: Sequence[Tokens], *, otherwise: Tensor) -> Tensor:
    """[B,K,D]: the mean over the fields that are present; `otherwise` where none is."""
    if all(tokens.dense for tokens in fields):
        return torch.stack(list(found)).mean(0)
    present = torch.stack([tokens.present for tokens in fields])[..., None, None]  # [M,B,1,1]
    total = torch.where(present, torch.stack(list(found)), 0).sum(0)
    count = present.sum(0)
    return torch.where(count > 0, total / count.clamp_min(1), otherwise)
