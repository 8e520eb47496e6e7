"""The encoder `transformer`: blocks of attention over the tokens of a text, with rotary positions."""

from collections.abc import Mapping
from typing import Annotated, Any

from torch import nn

from mm_text.language import TextEncoder
from mmcore.interfaces.settings import Range
from mmcore.layers.block import Block


class Transformer(TextEncoder):
    """Sees the whole text, or, where `causal`, what came before, and writes."""

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        width: Annotated[int, Range(2, soft_low=32, soft_high=1024, log=True)] = 128,
        heads: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 4,
        layers: Annotated[int, Range(1, soft_high=12)] = 2,
        mlp_ratio: Annotated[float, Range(0.1, 16, soft_low=1, soft_high=8)] = 4.0,
        dropout: Annotated[float, Range(0, 0.9)] = 0.1,
        causal: bool = False,
    ) -> None:
        """facts: vocabulary. Raises ConfigError where the width cannot be dealt to the heads in pairs."""
        super().__init__(facts, width_table=width, width_last=width, causal=causal, dropout=dropout)
        self.widths = (width,) * (layers + 1)
        self.stages = nn.ModuleList(
            Block(width, heads, ratio=mlp_ratio, dropout=dropout, rotary=True, last=number == layers - 1)
            for number in range(layers)
        )
