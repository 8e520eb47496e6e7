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
        return _move(values, mirrored, upended, right=right, down=down)

    def _chance(self, share: float, batch: int, generator: torch.Generator) -> Tensor:
        if not share:
            return torch.zeros(batch, dtype=torch.bool, device=generator.device)
        return torch.rand(batch, generator=generator, device=generator.device) < share

    def _steps(self, batch: int, generator: torch.Generator) -> Tensor:
        if not self.shift_px:
            return torch.zeros(batch, dtype=torch.long, device=generator.device)
        reach = (-self.shift_px, self.shift_px + 1)
        return torch.randint(*reach, (batch,), generator=generator, device=generator.device)


def _move(values: Tensor, mirrored: Tensor, upended: Tensor, *, right: Tensor, down: Tensor) -> Tensor:
    """One lookup that takes every pixel from where it comes from: 0.7 ms for 64 pictures of 64 px on one core."""
    height, width = values.shape[2:]
    rows = _line(height, upended, down, device=values.device)
    columns = _line(width, mirrored, right, device=values.device)
    source = rows.unsqueeze(2) * width + columns.unsqueeze(1)  # [B,H,W]
    flat = values.flatten(2)
    return flat.gather(2, source.flatten(1).unsqueeze(1).expand_as(flat)).view(values.shape)


def _line(length: int, turned: Tensor, steps: Tensor, *, device: torch.device) -> Tensor:
    """[B,length] long: along one axis, where each pixel of each picture comes from."""
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
