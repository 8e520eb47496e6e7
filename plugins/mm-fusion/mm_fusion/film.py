"""FiLM: a field's pooled vector scales and shifts what comes out of each stage of another.

Perez et al., FiLM: Visual Reasoning with a General Conditioning Layer, 2018 (1709.07871), section 2.
"""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from mmcore.errors import BuildError
from mmcore.interfaces.fusion import Fusion, Port, Streams, need_port
from mmcore.interfaces.run import Run
from mmcore.interfaces.tokens import Tokens


class FiLM(Fusion):
    """After stage s of the guided field: values * (1 + a_s) + b_s, with (a_s, b_s) = W_s guide + c_s.

    The guide ends first and is averaged over its tokens; where it is absent nothing is scaled or shifted. `joint` is
    the pooled guided field, with the guide's vector beside it (`with_guide`); other fields go on as streams of their
    own.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        guide: str = "question",
        guided: str = "image",
        pool: Literal["mean", "max", "both"] = "max",
        activation: Literal["none", "relu"] = "relu",
        with_guide: bool = True,
    ) -> None:
        """guide, guided: fields. pool: how the guided tokens become `joint`. activation: after the last modulation.

        with_guide: put the guide's vector beside it. Raises BuildError where a field has no encoder or no stage.
        """
        super().__init__(ports)
        if guide == guided:
            raise BuildError(f"fusion.guide and fusion.guided both name {guide!r}: a field cannot guide itself.")
        of, into = need_port(ports, guide, "guide"), need_port(ports, guided, "guided")
        if not into.depth:
            raise BuildError(f"fusion.guided names {guided!r}, whose encoder has no stages to scale and shift.")
        self.guide, self.guided = guide, guided
        self.pool, self.activation, self.with_guide = pool, activation, with_guide
        self.modulate = nn.ModuleList(nn.Linear(of.width, 2 * width) for width in into.widths[1:])
        self.taps = {**self.taps, guided: "between"}
        joint = into.width * (2 if pool == "both" else 1) + (of.width if with_guide else 0)
        self.writes = {**{name: ports[name].width for name in sorted(ports)}, "joint": joint}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """Every field's own stream, and `joint`: one token, absent where guide and guided both are."""
        guide = runs[self.guide].finish()
        vector = guide.pool()
        run = runs[self.guided]
        for layer in self.modulate:
            run.own = _modulated(run.advance(), layer(vector), guide)
        if self.activation == "relu":
            run.own = run.own.with_values(torch.relu(run.own.values))
        ends = {name: runs[name].finish() for name in sorted(runs)}
        parts = [vector] if self.with_guide else []
        joint = torch.cat([self._pooled(run.own), *parts], 1)
        present = run.own.present | guide.present if self.with_guide else run.own.present
        known = run.own.dense or (self.with_guide and guide.dense)
        return {**ends, "joint": Tokens.single(joint, None if known else present)}

    def _pooled(self, tokens: Tokens) -> Tensor:
        if self.pool == "both":
            return torch.cat([tokens.pool(), tokens.pool_max()], 1)
        return tokens.pool_max() if self.pool == "max" else tokens.pool()


def _modulated(tokens: Tokens, change: Tensor, guide: Tokens) -> Tokens:
    """tokens [B,N,D] scaled and shifted by change [B,2D]; as they were where the guide is absent."""
    if not guide.dense:
        change = torch.where(guide.present.unsqueeze(-1), change, 0)
    scale, shift = change.unsqueeze(1).chunk(2, -1)
    return tokens.with_values(torch.addcmul(shift, tokens.values, 1 + scale)).zeroed()
