"""What both encoders begin with: a token for each step."""

# B = samples of a batch, S = steps, C = channels

from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens


def inputs(field: Field) -> Tokens:
    """[B,S,C,2] -> tokens [B,S,2C] of values and flags, zero where masked."""
    return Tokens.of(field.values.flatten(2), field.mask, grid=(field.values.shape[1],)).zeroed()
