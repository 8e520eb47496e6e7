"""The connector `linear`: each token through one matrix."""

# B = samples of a batch, N = tokens of a sample

from torch import nn

from mmcore.interfaces.connector import Connector
from mmcore.interfaces.tokens import Tokens


class LinearConnector(Connector):
    """Keeps the number of tokens, their mask, order and grid (LLaVA, 2304.08485, section 4.1)."""

    def __init__(self, width: int, width_out: int, *, bias: bool = True) -> None:
        """bias: add a learned vector."""
        super().__init__(width, width_out)
        self.body = nn.Linear(width, width_out, bias=bias)

    def forward(self, tokens: Tokens) -> Tokens:
        """[B,N,width] -> [B,N,width_out]."""
        return tokens.with_values(self.body(tokens.values)).zeroed()
