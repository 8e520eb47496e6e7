"""The encoder `series-rnn`: an LSTM or GRU over the steps, each layer a stage."""

# B = samples of a batch, S = steps, C = channels, D = width

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from torch import Tensor, nn

from mm_series.steps import inputs
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.recurrent import Kind, RecurrentStage


class SeriesRNN(Encoder):
    """Reads from both sides unless `bidirectional` is false."""

    consumes = "series"
    elastic = True

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        kind: Kind = "gru",
        width: Annotated[int, Range(1, soft_low=16, soft_high=512, log=True)] = 64,
        layers: Annotated[int, Range(1, soft_high=4)] = 1,
        bidirectional: bool = True,
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
    ) -> None:
        """facts: channels. Raises ConfigError where the width cannot be halved for two directions."""
        super().__init__(facts)
        self.widths = (width,) * (layers + 1)
        self.into = nn.Linear(2 * facts["channels"], width)
        self.stages = nn.ModuleList(
            RecurrentStage(width, width, kind=kind, bidirectional=bidirectional, dropout=dropout) for _ in range(layers)
        )

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """[B,S,C,2] -> [B,S,D]."""
        steps = inputs(field)
        return replace(steps.with_values(self.into(steps.values)), grid=None)
