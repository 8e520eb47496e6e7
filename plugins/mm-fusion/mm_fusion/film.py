"""FiLM: a field's pooled vector scales and shifts what comes out of each stage of another.

Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer, 2018 (1709.07871), section 2.
"""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from mm_fusion.pooled import Pool, pooled, pooled_width, side_by_side
from mmcore.errors import BuildError
from mmcore.interfaces.fusion import Fusion, Port, Streams, need_port
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import FieldName
from mmcore.interfaces.tokens import Tokens


class FiLM(Fusion):
    """After stage s of the guided field: values * (1 + a_s) + b_s, with (a_s, b_s) = W_s guide + c_s.

    The guide ends first and is averaged over its tokens; where it is absent nothing is scaled or shifted. `joint` is
    the pooled guided field, with the guide's vector beside it (`with_guide`) and the pooled other fields behind.
    """

    streaming = True

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        guide: Annotated[str, FieldName()] = "question",
        guided: Annotated[str, FieldName()] = "image",
        pool: Pool = "max",
        activation: Literal["none", "relu", "gelu"] = "relu",
        with_guide: bool = True,
    ) -> None:
        """guide, guided: fields. pool: how the guided tokens, and those of other fields, become `joint`.

        activation: after the last modulation (after each one, two of three seeds were worse on easy-VQA).
        with_guide: put the guide's vector into `joint`. Raises BuildError where a field has no encoder or no stage.
        """
        super().__init__(ports)
        if guide == guided:
            raise BuildError(f"fusion.guide and fusion.guided both name {guide!r}: a field cannot guide itself.")
        of, into = need_port(ports, guide, "guide"), need_port(ports, guided, "guided")
        if not into.depth:
            raise BuildError(f"fusion.guided names {guided!r}, whose encoder has no stages to scale and shift.")
        self.guide, self.guided = guide, guided
        self.others = tuple(name for name in sorted(ports) if name not in (guide, guided))
        self.pool, self.with_guide = pool, with_guide
        self.activation = {"none": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU}[activation]()
        self.modulate = nn.ModuleList(nn.Linear(of.width, 2 * width) for width in into.widths[1:])
        self.taps = {**self.taps, guided: "between"}
        joint = sum(pooled_width(ports[name].width, pool) for name in (guided, *self.others))
        self.writes = {name: ports[name].width for name in sorted(ports)}
        self.writes = {**self.writes, "joint": joint + (of.width if with_guide else 0)}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """Every field's own stream, and `joint`: one token, absent where every field in it is."""
        guide = runs[self.guide].finish()
        vector = guide.pool()
        run = runs[self.guided]
        if run.decoding or not any(other.decoding for other in runs.values()):  # else it was guided in the first step
            for layer in self.modulate:
                run.own = _modulated(run.advance(), layer(vector), guide)
            run.own = run.own.with_values(self.activation(run.own.values))
        ends = {name: runs[name].finish() for name in sorted(runs)}
        fused = [ends[name] for name in (self.guided, *self.others)]
        vectors = [pooled(tokens, self.pool) for tokens in fused]
        if self.with_guide:
            fused, vectors = [*fused, guide], [*vectors, vector]
        return {**ends, "joint": side_by_side(fused, vectors)}


def _modulated(tokens: Tokens, change: Tensor, guide: Tokens) -> Tokens:
    """tokens [B,N,D] scaled and shifted by change [B,2D]; as they were where the guide is absent."""
    if not guide.dense:
        change = torch.where(guide.present.unsqueeze(-1), change, 0)
    scale, shift = change.unsqueeze(1).chunk(2, -1)
    return tokens.with_values(torch.addcmul(shift, tokens.values, 1 + scale)).zeroed()
