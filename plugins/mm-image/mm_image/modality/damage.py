"""Pictures made worse on purpose, to see how far a model can be trusted with bad ones."""

# B = samples of a batch, H, W = height and width in pixels

import math

import torch
from torch import Tensor
from torch.nn import functional

KINDS = ("blur", "noise", "hole")


def damaged(values: Tensor, kind: str, *, strength: float, generator: torch.Generator) -> Tensor:
    """uint8 [B,3,H,W] -> the same made worse. strength: 0 to 1.

    blur: Gaussian, up to a deviation of a tenth of the shorter side. noise: Gaussian, up to a deviation of 128.
    hole: a square, up to the whole picture, becomes grey (Cutout, 1708.04552).
    """
    if strength == 0:
        return values
    if kind == "blur":
        return _blurred(values, strength * min(values.shape[2:]) / 10)
    if kind == "noise":
        noise = torch.randn(values.shape, generator=generator) * (128 * strength)
        return (values + noise.to(values.device)).round().clamp(0, 255).to(values.dtype)
    assert kind == "hole", f"there is no damage {kind!r}"
    return _with_hole(values, strength, generator)


def _blurred(values: Tensor, deviation_px: float) -> Tensor:
    """Rows, then columns; what lies beyond the edge repeats it."""
    reach = max(1, math.ceil(3 * deviation_px))
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32, device=values.device)
    weights = torch.softmax(-(steps**2) / (2 * deviation_px**2), 0).expand(3, 1, -1)
    soft = functional.pad(values.float(), (reach, reach, 0, 0), mode="replicate")
    soft = functional.conv2d(soft, weights.unsqueeze(2), groups=3)
    soft = functional.pad(soft, (0, 0, reach, reach), mode="replicate")
    return functional.conv2d(soft, weights.unsqueeze(3), groups=3).round().clamp(0, 255).to(values.dtype)


def _with_hole(values: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    batch, _, height, width = values.shape
    tall, wide = (max(1, round(strength * side)) for side in (height, width))
    top = (torch.rand(batch, generator=generator) * (height - tall + 1)).long().to(values.device)
    left = (torch.rand(batch, generator=generator) * (width - wide + 1)).long().to(values.device)
    rows = torch.arange(height, device=values.device).expand(batch, -1) - top.unsqueeze(1)
    columns = torch.arange(width, device=values.device).expand(batch, -1) - left.unsqueeze(1)
    inside = ((rows >= 0) & (rows < tall)).unsqueeze(2) & ((columns >= 0) & (columns < wide)).unsqueeze(1)
    return torch.where(inside.unsqueeze(1), 128, values).to(values.dtype)
