"""The connector `mlp`: each token through a few dense layers with GELU between."""

# B = samples of a batch, N = tokens of a sample

from typing import Annotated

from torch import nn

from mmcore.interfaces.connector import Connector
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens

Layers = Annotated[int, Range(1, soft_high=4)]


class MLPConnector(Connector):
    """Keeps the number of tokens, their mask, order and grid (LLaVA-1.5, 2310.03744, section 3.3: `mlp2x_gelu`)."""

    def __init__(self, width: int, width_out: int, *, layers: Layers = 2, norm: bool = False) -> None:
        """layers: of width_out each. norm: normalise each token before the first."""
        super().__init__(width, width_out)
        self.body = dense(width, width_out, layers=layers, norm=norm)

    def forward(self, tokens: Tokens) -> Tokens:
        """[B,N,width] -> [B,N,width_out]."""
        return tokens.with_values(self.body(tokens.values)).zeroed()


def dense(width: int, width_out: int, *, layers: int, norm: bool) -> nn.Sequential:
    """Layers of width_out with GELU between them; `norm` puts a layer norm in front."""
    steps: list[nn.Module] = [nn.LayerNorm(width)] if norm else []
    steps.append(nn.Linear(width, width_out))
    for _ in range(layers - 1):
        steps += [nn.GELU(), nn.Linear(width_out, width_out)]
    return nn.Sequential(*steps)
