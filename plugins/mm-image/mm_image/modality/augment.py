"""Random changes to a batch of pictures: cheap ones by moving pixels, rotation by resampling."""

# B = samples of a batch, H, W = height and width in pixels

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far pictures may be changed; what leaves the frame is lost, what enters repeats the edge."""

    flip_horizontal: float
    """Chance of a mirror image."""
    flip_vertical: float
    """Chance of a picture upside down."""
    shift_px: int
    """Most pixels to move, each way in each direction."""
    rotation_deg: float
    """Most degrees to turn, each way."""

    def __call__(self, values: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 [B,3,H,W] -> the same changed; float, still 0 to 255, where pictures were turned."""
        batch = len(values)
        mirrored = self._chance(self.flip_horizontal, batch, generator)
        upended = self._chance(self.flip_vertical, batch, generator)
        right, down = (self._steps(batch, generator) for _ in range(2))
        if self.rotation_deg:
            turn = (2 * torch.rand(batch, generator=generator, device=generator.device) - 1) * self.rotation_deg
            return _resample(values, mirrored, upended, right=right, down=down, turn_deg=turn)
        if not (self.flip_horizontal or self.flip_vertical or self.shift_px):
            return values
        lines = values.permute(0, 2, 3, 1)
        if self.shift_px:
            lines = _with_edges(lines, self.shift_px)
        if self.flip_horizontal:
            lines = torch.cat([lines, lines.flip(2)])
        return _move(lines, mirrored, upended, right=right, down=down, shape=values.shape)

    def _chance(self, share: float, batch: int, generator: torch.Generator) -> Tensor:
        if not share:
            return torch.zeros(batch, dtype=torch.bool, device=generator.device)
        return torch.rand(batch, generator=generator, device=generator.device) < share

    def _steps(self, batch: int, generator: torch.Generator) -> Tensor:
        if not self.shift_px:
            return torch.zeros(batch, dtype=torch.long, device=generator.device)
        reach = (-self.shift_px, self.shift_px + 1)
        return torch.randint(*reach, (batch,), generator=generator, device=generator.device)


def _with_edges(lines: Tensor, reach: int) -> Tensor:
    """[B,H,W,3] -> [B,H,reach+W+reach,3]: the first and the last pixel of each line once more, so many times."""
    first, last = lines[:, :, :1], lines[:, :, -1:]
    return torch.cat([first.expand(-1, -1, reach, -1), lines, last.expand(-1, -1, reach, -1)], 2)


def _move(
    lines: Tensor, mirrored: Tensor, upended: Tensor, *, right: Tensor, down: Tensor, shape: torch.Size
) -> Tensor:
    """Whole lines, each copied from where it starts: 1 ms for 64 pictures of 64 px on one core, in channels_last.

    lines: [B,H,>=W,3] with as many pixels on either side as a line may move, or [2B,...]: then a mirror image of each.
    shape: B, 3, H and W.
    """
    batch, channels, height, width = shape
    device, long = lines.device, lines.shape[2]
    picture = torch.arange(batch, device=device) + batch * mirrored.to(device)
    rows = picture.unsqueeze(1) * height + _line(height, upended, down, device=device)
    starts = (rows * long + (long - width) // 2 - right.to(device).unsqueeze(1)) * channels
    size = width * channels
    every = lines.reshape(-1).as_strided((lines.numel() - size + 1, size), (1, 1))  # a line from each number on
    moved = every.index_select(0, starts.flatten())
    return moved.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _line(length: int, turned: Tensor, steps: Tensor, *, device: torch.device) -> Tensor:
    """[B,length] long: where each line of each picture comes from."""
    places = torch.arange(length, device=device).expand(len(turned), -1)
    places = (places - steps.to(device).unsqueeze(1)).clamp(0, length - 1)
    return torch.where(turned.to(device).unsqueeze(1), length - 1 - places, places)


def _resample(
    values: Tensor, mirrored: Tensor, upended: Tensor, *, right: Tensor, down: Tensor, turn_deg: Tensor
) -> Tensor:
    """Everything at once by one bilinear lookup: 2 ms for 64 pictures of 64 px on one core."""
    height, width = values.shape[2:]
    angle = turn_deg * (math.pi / 180)
    across, along = 1 - 2 * mirrored.float(), 1 - 2 * upended.float()
    cos, sin = angle.cos(), angle.sin()
    # Rows say where a point of the new picture comes from, in coordinates from -1 to 1; pixels are square.
    matrix = torch.stack(
        [
            torch.stack([across * cos, -across * sin * height / width, -2 * across * right / width], 1),
            torch.stack([along * sin * width / height, along * cos, -2 * along * down / height], 1),
        ],
        1,
    ).to(values.device)
    places = functional.affine_grid(matrix, list(values.shape), align_corners=False)
    return functional.grid_sample(values.float(), places, padding_mode="border", align_corners=False)
