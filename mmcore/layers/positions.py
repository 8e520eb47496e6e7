"""Where a token stands among the real ones of its sample, and the rotation that tells attention of it."""

# B = samples of a batch, H = heads, N = tokens of a sample, D = width of a head

import torch
from torch import Tensor


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
    half = values.shape[-1] // 2
    # Made anew each time: kept as a buffer it would be one more tensor to save and restore, to gain microseconds.
    steps = torch.arange(half, device=values.device, dtype=torch.float32)
    angles = places[:, None, :, None] * 10000.0 ** (-steps / half)
    cos, sin = angles.cos().to(values.dtype), angles.sin().to(values.dtype)
    one, other = values[..., :half], values[..., half:]
    return torch.cat([one * cos - other * sin, other * cos + one * sin], -1)
