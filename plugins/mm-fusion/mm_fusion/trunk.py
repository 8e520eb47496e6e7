"""All tokens in one transformer, from any depth.

Kim et al., ViLT: Vision-and-Language Transformer Without Convolution or Region Supervision, 2021 (2102.03334), section
3.1.
"""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Mapping
from typing import Annotated

from torch import nn

from mm_fusion.together import Together, in_a_row, places_within
from mmcore.interfaces.fusion import Fusion, Port, Streams
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import Range
from mmcore.layers.block import Block


class Trunk(Fusion):
    """joint = T([P_1 x_1 + t_1, .., P_M x_M + t_M]) with x_m after stage `depth`; then x_m + Q_m joint_m goes on.

    T is a transformer with rotary positions, counted within each field; P_m and Q_m are layers (Q_m starts at 0), t_m
    says whose tokens these are. Who may see whom follows from `order`: fields seen both ways see each other, and a
    causal text sees them and what came before, while nothing sees a later token: a prefix language model. Writing walks
    the whole text for each token.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        width: Annotated[int, Range(2, soft_low=32, soft_high=1024, log=True)] = 128,
        layers: Annotated[int, Range(1, soft_high=12)] = 2,
        heads: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 4,
        depth: Annotated[int, Range(0)] | None = None,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
    ) -> None:
        """width: of the transformer and `joint`. depth: stage after which tokens go in; 0: as embedded (ViLT).

        depth null: after the last, so that features can be cached; a field with fewer stages goes in when it has
        finished. Raises ConfigError where the width cannot be dealt to the heads in pairs.
        """
        super().__init__(ports)
        self.names = tuple(sorted(ports))
        self.stops = {name: port.depth if depth is None else min(depth, port.depth) for name, port in ports.items()}
        widths = [ports[name].widths[self.stops[name]] for name in self.names]
        self.together = Together(widths, width)
        self.blocks = nn.ModuleList(
            Block(width, heads, dropout=dropout, rotary=True, last=number == layers - 1) for number in range(layers)
        )
        # In a chain the `joint` of an earlier fusion goes in too, but ours comes out.
        self.back = nn.ModuleList(
            nn.Identity() if name == "joint" else nn.Linear(width, each)
            for name, each in zip(self.names, widths, strict=True)
        )
        for parameter in self.back.parameters():
            nn.init.zeros_(parameter)
        self.taps = {name: "end" if self.stops[name] == ports[name].depth else "between" for name in self.names}
        self.writes = {**{name: ports[name].width for name in self.names}, "joint": width}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """Every field's own stream, and `joint`: the tokens of all as they leave the transformer."""
        fields = [runs[name].advance(self.stops[name] - runs[name].at) for name in self.names]
        joint, places = in_a_row(self.together(fields)), places_within(fields)
        for block in self.blocks:
            joint = block(joint, places=places)
        parts = joint.values.split([own.length for own in fields], 1)
        for name, own, part, layer in zip(self.names, fields, parts, self.back, strict=True):
            if name != "joint":
                runs[name].own = own.with_values(own.values + layer(part)).zeroed()
        ends = {name: runs[name].finish() for name in self.names}
        return {**ends, "joint": joint.zeroed()}
