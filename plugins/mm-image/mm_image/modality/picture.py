"""One picture file to numbers: whatever Pillow reads safely, as uint8 of one size."""

# H, W = height and width in pixels

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.nn import functional

from mmcore.errors import DataError

Resize = Literal["crop", "pad", "stretch"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""What is opened. Pillow knows more, some of it dangerous: for EPS it starts Ghostscript on the file."""

MARGIN = 1.25
"""JPEG decodes at 1/2, 1/4 or 1/8 of its size for a fraction of the time, where this many times the size is left.

On photographs it changes as much as a bilinear filter in place of a bicubic one would (41 dB)."""

GAP = 3.0
"""How many times as large as needed a picture is at least after it was reduced by plain means."""


@dataclass(frozen=True)
class PictureReader:
    """Reads files as pictures of size_px x size_px."""

    size_px: int
    resize: Resize
    background: tuple[int, int, int]
    """What shows through where a picture is transparent, and beside it where it is padded."""
    max_pixels: int

    def read(self, path: Path, name: str) -> np.ndarray:
        """The picture as uint8 [3,H,W].

        name: what messages call it; paths of this machine have no place in a quarantine list. Raises DataError where
        it is no picture, broken, or larger than `max_pixels`, which its header tells before anything is decoded.
        """
        try:
            with Image.open(path, formats=FORMATS) as image:
                self._check_size(image, name)
                enough = math.ceil(MARGIN * self.size_px)
                image.draft(None, (enough, enough))
                ImageOps.exif_transpose(image, in_place=True)
                return self._resized(self._coloured(image, name))
        except (DataError, MemoryError):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise DataError(f"is larger than max_pixels ({self.max_pixels}) allows: {error}", path=name) from error
        except UnidentifiedImageError as error:
            raise DataError(_why_unknown(path), path=name) from error
        except Exception as error:  # a broken file makes Pillow's many readers raise nearly anything
            raise DataError(f"cannot be read as a picture: {_reason(error)}", path=name) from error

    def _check_size(self, image: Image.Image, name: str) -> None:
        width, height = image.size
        if width * height > self.max_pixels:
            raise DataError(
                f"has {width} x {height} pixels, more than max_pixels ({self.max_pixels}). "
                "Make it smaller, or raise the setting.",
                path=name,
            )

    def _coloured(self, image: Image.Image, name: str) -> Image.Image:
        """As RGB: transparency over the background, 16 bits of grey down to 8."""
        if image.mode == "F":
            raise DataError("holds floating-point numbers of unknown range: save it with 8 or 16 bits", path=name)
        if image.mode.startswith("I"):
            deep = np.asarray(image)
            if deep.min() < 0 or deep.max() > 65535:
                raise DataError("holds numbers of more than 16 bits: save it with 8 or 16 bits", path=name)
            return Image.fromarray((deep >> 8).astype(np.uint8)).convert("RGB")
        if not image.has_transparency_data:
            image.load()  # the file is closed before a picture that needs no resizing is looked at
            return image if image.mode == "RGB" else image.convert("RGB")  # it would copy what is RGB already
        canvas = Image.new("RGBA", image.size, (*self.background, 255))
        canvas.alpha_composite(image.convert("RGBA"))
        return canvas.convert("RGB")

    def _resized(self, image: Image.Image) -> np.ndarray:
        """The picture as uint8 [3,H,W] of size_px."""
        side, (width, height) = self.size_px, image.size
        if self.resize == "crop":
            short = min(width, height)
            left, top = (width - short) // 2, (height - short) // 2
            image = image.crop((left, top, left + short, top + short))
        if self.resize != "pad":
            return resampled(image, side, side)
        scale = side / max(width, height)
        inside = resampled(image, max(1, round(height * scale)), max(1, round(width * scale)))
        canvas = np.empty((3, side, side), np.uint8)
        canvas[:] = np.array(self.background, np.uint8).reshape(3, 1, 1)
        top, left = ((side - length) // 2 for length in inside.shape[1:])
        canvas[:, top : top + inside.shape[1], left : left + inside.shape[2]] = inside
        return canvas


def resampled(image: Image.Image, height: int, width: int) -> np.ndarray:
    """An RGB picture as uint8 [3,H,W] of another size, by bicubic interpolation over all pixels that fall into one.

    torch computes what Pillow computes (but for the rounding: a step of 255 now and then) in whole registers, a third
    of the time, and gives the same bytes on every processor. A picture more than six times too large is first halved,
    thirded, ... by plain means.
    """
    factor = tuple(max(1, int(old / (GAP * new))) for old, new in zip(image.size, (width, height), strict=True))
    if factor != (1, 1):
        image = image.reduce(factor)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    if pixels.shape[1:] != (height, width):
        pixels = functional.interpolate(pixels[None], size=(height, width), mode="bicubic", antialias=True)[0]
    return np.ascontiguousarray(pixels.numpy())


def _why_unknown(path: Path) -> str:
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    return f"is no picture, or broken at its very start. Formats that are read: {', '.join(FORMATS)}"


def _reason(error: Exception) -> str:
    """The error's words without the path that the operating system puts behind them."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
