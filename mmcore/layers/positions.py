"""Where a token stands among the real ones of its sample, and the waves and rotations that tell attention of it."""

# B = samples of a batch, H = heads, N = tokens of a sample, D = width of a head

import torch
from torch import Tensor
from torch.nn.functional import pad

from mmcore.interfaces.tokens import Tokens


def positions(mask: Tensor, start: Tensor | int = 0) -> Tensor:
    """[B,N] bool -> [B,N] long: how many real tokens stand before each; masked ones repeat what came before them.

    start: how many real tokens of each sample ([B], or one number for all) came before these.
    """
    first = start.unsqueeze(1) if isinstance(start, Tensor) else start
    return (mask.cumsum(1) - 1 + first).clamp_min(0)


def rotate(values: Tensor, places: Tensor) -> Tensor:
    """Rotary positions: turn pairs of numbers by angles that grow with the place ("RoFormer", section 3.2).

    values: [B,H,N,D], D even. places: [B,N] or [1,N] long. The product of two rotated vectors depends on the distance
    of their places alone, so a prefix or a cache shifts nothing.
    """
    return rotate_alike(values, places=places)[0]


def rotate_alike(*several: Tensor, places: Tensor) -> list[Tensor]:
    """As `rotate`, of tensors of one layout that stand at the same places: the angles are the same."""
    half, dtype = several[0].shape[-1] // 2, several[0].dtype
    # Made anew each time: kept as a buffer it would be one more tensor to save and restore, to gain microseconds.
    turned = _turns_at_once(places, half) if torch.compiler.is_compiling() else _turns(places, half)
    cos, sin = turned.to(dtype).unsqueeze(2)
    halves = [(values[..., :half], values[..., half:]) for values in several]
    return [torch.cat([one * cos - other * sin, other * cos + one * sin], -1) for one, other in halves]


def _turns(places: Tensor, half: int) -> Tensor:
    """[B,N] long -> [2,B,N,half]: cosine and sine of each angle."""
    steps = torch.arange(half, device=places.device, dtype=torch.float32)
    angles = places.unsqueeze(-1) * 10000.0 ** (-steps / half)
    return torch.stack([angles.cos(), angles.sin()])


@torch.library.custom_op("mmcore::turns", mutates_args=())
def _turns_at_once(places: Tensor, half: int) -> Tensor:
    """`_turns`, which a compiler leaves whole: it would make each angle anew for each head of each sample."""
    return _turns(places, half)


@_turns_at_once.register_fake
def _(places: Tensor, half: int) -> Tensor:
    return places.new_empty(2, *places.shape, half, dtype=torch.float32)


def waves(tokens: Tokens, width: int) -> Tensor:
    """[B or 1,N,width]: sines and cosines of where each token stands, an equal share of numbers for each axis.

    On a grid a token stands in its cell, else in the row of real ones ("Attention is all you need", section 3.5).
    """
    device = tokens.values.device
    if tokens.grid is None:
        steps = [positions(tokens.mask[:1] if tokens.dense else tokens.mask)]
    else:
        axes = torch.meshgrid(*(torch.arange(size, device=device) for size in tokens.grid), indexing="ij")
        steps = [axis.flatten().unsqueeze(0) for axis in axes]
    share = max(1, width // (2 * len(steps)))
    speeds = 10000.0 ** (-torch.arange(share, device=device) / share)
    angles = torch.cat([step.unsqueeze(-1) * speeds for step in steps], -1)
    found = torch.cat([angles.sin(), angles.cos()], -1)[..., :width]
    return pad(found, [0, width - found.shape[-1]]).to(tokens.values.dtype)
