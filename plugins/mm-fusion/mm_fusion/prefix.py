"""Finished runs, through a connector, stand before a language model's tokens.

Liu et al., Visual Instruction Tuning (LLaVA), 2023 (2304.08485), section 4.1; over a recurrent network it is Vinyals et
al., Show and Tell (NIC), 2015 (1411.4555), section 3.1.
"""

# B = samples of a batch, N = tokens of a sample, D = width

from collections.abc import Mapping
from typing import Annotated

from torch import nn

from mmcore.errors import BuildError
from mmcore.interfaces.connector import ConnectorMaker
from mmcore.interfaces.fusion import Fusion, Port, Streams, need_port
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import FieldName, PluginOf


class Prefix(Fusion):
    """into = LM([C_1 x_1, .., C_M x_M, w_1, .., w_S]): the text sees every prefix, no prefix sees the text.

    Each other field has a connector C_m of its own. An absent field has no tokens to stand there; without other fields
    the language model writes alone.
    """

    streaming = True

    def __init__(
        self,
        ports: Mapping[str, Port],
        *,
        into: Annotated[str, FieldName()] = "answer",
        connector: Annotated[ConnectorMaker, PluginOf("connector")],
    ) -> None:
        """into: the field whose tokens the others stand before; its encoder must take inserted tokens.

        connector: from a field's width to that of the embedded text. Raises BuildError where `into` cannot take them.
        """
        super().__init__(ports)
        port = need_port(ports, into, "into")
        if not port.elastic or not port.depth:
            raise BuildError(
                f"fusion.into names {into!r}, whose encoder takes no inserted tokens. Choose one whose stages do "
                "(elastic: a transformer, an RNN), or the fusion cross."
            )
        self.into = into
        self.others = tuple(name for name in sorted(ports) if name != into)
        self.connect = nn.ModuleList(connector(ports[name].width, port.widths[0]) for name in self.others)
        self.taps = {**self.taps, into: "between"}
        self.writes = {name: ports[name].width for name in sorted(ports)}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        """Every field's own stream; that of `into` without what stands before it."""
        ends = {name: runs[name].finish() for name in self.others}
        if not any(run.decoding for run in runs.values()):  # else the prefix was walked in the first step
            for name, layer in reversed(list(zip(self.others, self.connect, strict=True))):
                runs[self.into].prepend(layer(ends[name]))
        return {**ends, self.into: runs[self.into].finish()}
