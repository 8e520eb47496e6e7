"""Standardised pictures: value * scale + offset, with the channels last in memory."""

# B = samples of a batch, H, W = height and width in pixels

from math import prod

import numpy as np
import torch
from torch import Tensor

LINE = 64
"""Bytes of a line of the processor's cache; torch's own memory starts at one, and some kernels count on it."""


def standardised(values: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """[B,3,H,W] of 0 to 255 -> float32 in channels_last. scale, offset: of three numbers.

    Whole lines of pixels are standardised at once: with three numbers in the inner loop it would take longer than all
    the rest.
    """
    batch, channels, height, width = values.shape
    across = (part.view(channels).repeat(width).to(values.device, non_blocking=True) for part in (scale, offset))
    if values.device.type == "cpu":
        lines = _lines(values)
    else:
        lines = values.permute(0, 2, 3, 1).reshape(batch, height, width * channels).to(torch.float32, copy=True)
    by, plus = across
    torch.addcmul(plus, lines, by, out=lines)
    return lines.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _lines(values: Tensor) -> Tensor:
    """float32 [B,H,W*3] on the CPU.

    NumPy asks for large pages where torch does not: to be given 38 MB in pages of 4 kB takes longer than to fill them.
    """
    batch, channels, height, width = values.shape
    shape = (batch, height, width * channels)
    room = np.empty(4 * prod(shape) + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    lines = torch.from_numpy(room[start : start + 4 * prod(shape)].view(np.float32)).view(shape)
    return lines.copy_(_channels_last(values).reshape(shape))


def _channels_last(values: Tensor) -> Tensor:
    """[B,3,H,W] -> [B,H,W,3], which pictures are from the store on. Others, as those that were turned, are laid anew:
    NumPy moves single numbers faster than torch."""
    last = values.permute(0, 2, 3, 1)
    if last.is_contiguous():
        return last
    planes = values.numpy()
    laid = np.empty(last.shape, planes.dtype)
    for channel in range(laid.shape[-1]):
        laid[..., channel] = planes[:, channel]
    return torch.from_numpy(laid)
