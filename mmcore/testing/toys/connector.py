"""A toy connector: one linear layer."""

from torch import nn

from mmcore.interfaces.connector import Connector
from mmcore.interfaces.tokens import Tokens


class ToyConnector(Connector):
    """Each token through one matrix."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__(width, width_out)
        self.linear = nn.Linear(width, width_out)

    def forward(self, tokens: Tokens) -> Tokens:
        """[B,N,width] -> [B,N,width_out]."""
        return tokens.with_values(self.linear(tokens.values))
