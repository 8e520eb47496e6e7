"""Gated cross-attention into each stage of a field; both ways on request.

Alayrac et al., Flamingo: a Visual Language Model for Few-Shot Learning, 2022 (2204.14198), section 2.2; both ways: Tsai
et al., Multimodal Transformer for Unaligned Multimodal Language Sequences (MulT), 2019 (1906.00295), section 3.2.
"""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from torch import nn

from mm_fusion.pooled import Pool, pooled, pooled_width, side_by_side
from mm_fusion.together import Together
from mmcore.errors import BuildError, listing
from mmcore.interfaces.fusion import Fusion, Port, Streams, need_port
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import FieldName, Range
from mmcore.interfaces.tokens import join
from mmcore.layers.cross import CrossBlock


class Cross(Fusion):
    """Before stage s of `into`: x = x + tanh(a_s) attend_s(x, y), x = x + tanh(b_s) network_s(x), a and b 0 at first.

    y are the finished tokens of the fields `of`, brought to one width; where all of those are absent, x stays as it is.
    `both_ways`: these fields advance together, and each looks at what the others are at that stage. Then a text learns
    of its own later tokens through the others and cannot be written. `joint` is the pooled fields side by side.
    """

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        into: Annotated[str, FieldName()] = "question",
        of: Annotated[tuple[str, ...] | None, FieldName()] = None,
        both_ways: bool = False,
        width: Annotated[int, Range(1, soft_low=32, soft_high=1024, log=True)] = 128,
        heads: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 4,
        gated: bool = True,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
        pool: Pool = "mean",
    ) -> None:
        """into: the field whose stages look. of: the fields looked at; null: all others. width: of their tokens then.

        gated: begin as if nothing were looked at; false: no gates. pool: how tokens become a vector of `joint`.
        Raises BuildError where a field has no encoder or no stage, ConfigError where heads do not divide a width.
        """
        super().__init__(ports)
        self.names, self.pool, self.both_ways = tuple(sorted(ports)), pool, both_ways
        self.into, self.of = into, _looked_at(ports, into=into, of=of)
        self.looking = (into, *self.of) if both_ways else (into,)
        self.streaming, self.looks_ahead = not both_ways, frozenset(self.looking if both_ways else ())
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                CrossBlock(each, heads, width_key=width, dropout=dropout, gated=gated)
                for each in ports[name].widths[:-1]
            )
            for name in self.looking
        )
        self.shown = self._shown(ports) if both_ways else [self.of]
        self.together = nn.ModuleList(
            Together([_width(ports[name], step if both_ways else None) for name in names], width)
            for step, names in enumerate(self.shown)
        )
        self.taps = {**self.taps, **{name: "between" for name in self.looking if ports[name].depth}}
        joint = sum(pooled_width(ports[name].width, pool) for name in self.names)
        self.writes = {**{name: ports[name].width for name in self.names}, "joint": joint}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """Every field's own stream, and `joint`: one token, absent where every field is."""
        if self.both_ways:
            self._advance_together(runs)
        elif runs[self.into].decoding or not any(run.decoding for run in runs.values()):
            self._guide(runs)  # else it was guided in the first step of the decode
        ends = {name: runs[name].finish() for name in self.names}
        fields = [ends[name] for name in self.names]
        return {**ends, "joint": side_by_side(fields, [pooled(tokens, self.pool) for tokens in fields])}

    def _guide(self, runs: Mapping[str, Run]) -> None:
        """Walk `into`; what it looks at is kept while it is written."""
        run = runs[self.into]
        run.need_stages()
        fields = [runs[name].finish() for name in self.of]
        shown = None if run.decoding else join(self.together[0](fields))
        for number, block in enumerate(self.blocks[0]):
            run.own = block.look(run.own, run.keep(f"keys/{number}", partial(block.keys_of, shown)))
            run.advance()

    def _advance_together(self, runs: Mapping[str, Run]) -> None:
        """Walk all that look, stage by stage; at each, all look before any goes on."""
        for name in self.looking:
            runs[name].need_stages()
        for step, (names, together) in enumerate(zip(self.shown, self.together, strict=True)):
            shown = dict(zip(names, together([runs[name].own for name in names]), strict=True))
            pairs = zip(self.looking, self.blocks, strict=True)
            looking = {name: blocks[step] for name, blocks in pairs if step < len(blocks)}
            for name, block in looking.items():
                others = join([tokens for other, tokens in shown.items() if other != name])
                runs[name].own = block(runs[name].own, others)
            for name in looking:
                runs[name].advance()

    def _shown(self, ports: Mapping[str, Port]) -> list[tuple[str, ...]]:
        """For each step the fields that another one looks at."""
        depth = {name: ports[name].depth for name in self.looking}
        return [
            tuple(name for name in depth if any(depth[other] > step for other in depth if other != name))
            for step in range(max(depth.values()))
        ]


def _looked_at(ports: Mapping[str, Port], *, into: str, of: tuple[str, ...] | None) -> tuple[str, ...]:
    """The fields that `into` looks at."""
    if not need_port(ports, into, "into").depth:
        raise BuildError(f"fusion.into names {into!r}, whose encoder has no stages to look from.")
    found = tuple(sorted({name for name in ports if name != into} if of is None else set(of)))
    for name in found:
        need_port(ports, name, "of")
    if not found or into in found:
        raise BuildError(f"fusion.of must name fields other than {into!r}, but names {listing(found)}.")
    return found


def _width(port: Port, step: int | None) -> int:
    """D before stage `step`, or at the end."""
    return port.width if step is None else port.widths[min(step, port.depth)]
