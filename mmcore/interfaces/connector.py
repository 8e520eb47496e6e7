"""A connector: changes one stream between two parts, in width, in number of tokens, or both."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import nn

from mmcore.interfaces.tokens import Tokens


class Connector(nn.Module, ABC):
    """From tokens of `width` to tokens of `width_out`; absent samples stay absent, and all is finite, gradients too."""

    width_out: int

    def __init__(self, width: int, width_out: int) -> None:
        """width, width_out: D that comes in and goes out; settings follow as keyword arguments."""
        super().__init__()
        self.width_out = width_out

    @abstractmethod
    def forward(self, tokens: Tokens) -> Tokens:
        """Tokens [B,N,width] -> tokens [B,any N,width_out]; a sample is present in both or in neither.

        Each sample's depend on its own real tokens alone.
        """


ConnectorMaker = Callable[[int, int], Connector]
"""A connector as the constructor of a part gets it, from width to width: `Annotated[.., PluginOf("connector")]`."""
