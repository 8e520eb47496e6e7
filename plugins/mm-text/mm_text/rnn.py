"""The encoder `rnn`: an LSTM or GRU over the tokens of a text, each layer a stage."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from torch import nn

from mm_text.language import TextEncoder
from mm_text.vectors import fill
from mmcore.errors import ConfigError
from mmcore.interfaces.settings import Range
from mmcore.layers.recurrent import RecurrentStage


class RNN(TextEncoder):
    """Reads from both sides, or, where `causal`, from left to right and writes."""

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        kind: Literal["lstm", "gru"] = "lstm",
        width: Annotated[int, Range(1, soft_low=16, soft_high=1024, log=True)] = 128,
        layers: Annotated[int, Range(1, soft_high=4)] = 1,
        bidirectional: bool = True,
        causal: bool = False,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
        embedding_width: Annotated[int, Range(1, soft_low=16, soft_high=512, log=True)] = 64,
        vectors: str | None = None,
    ) -> None:
        """facts: vocabulary and, for `vectors`, tokens. Raises ConfigError where settings contradict each other."""
        if causal and bidirectional:
            raise ConfigError("the encoder rnn cannot be causal and bidirectional. Set bidirectional: false.")
        super().__init__(facts, width_table=embedding_width, width_last=width, causal=causal)
        self.widths = (embedding_width, *[width] * layers)
        self.vectors = vectors
        self.readings: tuple[str, ...] = tuple(facts["tokens"]) if vectors is not None else ()
        self.stages = nn.ModuleList(
            RecurrentStage(width_in, width, kind=kind, bidirectional=bidirectional, dropout=dropout)
            for width_in in self.widths[:-1]
        )

    def warm_start(self) -> None:
        """Fill the table with pretrained vectors. Raises ConfigError or DataError where the file does not fit."""
        if self.vectors is not None:
            fill(self.table, self.readings, Path(self.vectors))
