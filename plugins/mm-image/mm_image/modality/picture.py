"""One picture file to numbers: whatever Pillow reads safely, as uint8 of one size."""

# H, W = height and width in pixels

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch.nn import functional

from mm_image.modality.jpeg import jpeg_pixels
from mmcore.errors import DataError

Resize = Literal["crop", "pad", "stretch"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""What is opened. Pillow knows more, some of it dangerous: for EPS it starts Ghostscript on the file."""

MARGIN = 1.25
"""JPEG decodes at 1/2, 1/4 or 1/8 of its size for a fraction of the time, where this many times the size is left.

On photographs it changes as much as a bilinear filter in place of a bicubic one would (41 dB)."""

GAP = 3.0
"""How many times as large as needed a picture is at least after blocks of it were averaged."""

TINY = 1e-12
"""A size is a scale times the old one, rounded down: it must not fall below by the last digit."""


@dataclass(frozen=True)
class PictureReader:
    """Reads files as pictures of size_px x size_px."""

    size_px: int
    resize: Resize
    background: tuple[int, int, int]
    """What shows through where a picture is transparent, and beside it where it is padded."""
    max_pixels: int

    def read(self, path: Path, name: str) -> np.ndarray:
        """The picture as uint8 [H,W,3].

        name: what messages call it; paths of this machine have no place in a quarantine list. Raises DataError where
        it is no picture, broken, or larger than `max_pixels`, which its header tells before anything is decoded.
        """
        try:
            with Image.open(path, formats=FORMATS) as image:
                self._check_size(image, name)
                size, enough = image.size, math.ceil(MARGIN * self.size_px)
                drafted = image.draft(None, (enough, enough))
                extent = image.size if drafted is None else drafted[1][2:]
                pixels = jpeg_pixels(image, size)
                if pixels is None:
                    image.load()
                    pixels = np.array(self._coloured(image, name))
                return _upright(self._resized(pixels, *extent), image)
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
        """As RGB: transparency over the background, 16 bits of grey down to 8; 32 bits are either."""
        if image.mode == "F":
            raise DataError("holds floating-point numbers of unknown range: save it with 8 or 16 bits", path=name)
        if image.mode.startswith("I"):
            deep = np.asarray(image)
            if deep.min() < 0 or deep.max() > 65535:
                raise DataError("holds numbers of more than 16 bits: save it with 8 or 16 bits", path=name)
            # 32 bits say nothing of how many are meant; a PGM of 16, which Pillow opens so too, is at its full range.
            shallow = image.mode == "I" and image.format != "PPM" and deep.max() <= 255
            return Image.fromarray((deep if shallow else deep >> 8).astype(np.uint8)).convert("RGB")
        if not image.has_transparency_data:
            return image if image.mode == "RGB" else image.convert("RGB")  # it would copy what is RGB already
        canvas = Image.new("RGBA", image.size, (*self.background, 255))
        canvas.alpha_composite(image.convert("RGBA"))
        return canvas.convert("RGB")

    def _resized(self, pixels: np.ndarray, width: float, height: float) -> np.ndarray:
        """uint8 [H,W,3] -> [H,W,3] of size_px. width, height: how far it reaches; the last pixel may be cut."""
        side = self.size_px
        if self.resize == "crop":
            short = min(width, height)
            left, top = int((width - short) / 2), int((height - short) / 2)
            return resampled(pixels, side, side, box=(left, top, left + short, top + short))
        if self.resize == "stretch":
            return resampled(pixels, side, side, box=(0, 0, width, height))
        scale = side / max(width, height)
        lines, columns = max(1, round(height * scale)), max(1, round(width * scale))
        canvas = np.empty((side, side, 3), np.uint8)
        canvas[:] = np.array(self.background, np.uint8)
        top, left = (side - lines) // 2, (side - columns) // 2
        inside = resampled(pixels, lines, columns, box=(0, 0, width, height))
        canvas[top : top + lines, left : left + columns] = inside
        return canvas


def resampled(pixels: np.ndarray, height: int, width: int, *, box: tuple[int, int, float, float]) -> np.ndarray:
    """A part of uint8 [H,W,3] as [H,W,3] of another size, by bicubic interpolation over all pixels of each.

    box: left, top, right and bottom of the part; its last column and line may be shares of a pixel.

    torch computes what Pillow computes (but for the rounding, and for what is clipped where one axis grows and the
    other shrinks) in a third of the time, and gives the same bytes on every processor. What is more than six times too
    large is first averaged over whole blocks.
    """
    left, top, right, bottom = box
    across, down = right - left, bottom - top
    factor = max(1, int(across / (GAP * width))), max(1, int(down / (GAP * height)))
    part = (left, top, math.ceil(right), math.ceil(bottom))
    if factor != (1, 1):
        pixels = np.array(Image.fromarray(pixels).reduce(factor, box=part))
        across, down = across / factor[0], down / factor[1]  # the last block may be a part of one
    else:
        pixels = np.ascontiguousarray(pixels[part[1] : part[3], part[0] : part[2]])
    if 1 in (width, height):  # torch takes the wrong pixels here, where a processor has no AVX2
        whole = Image.fromarray(pixels)
        found = whole.resize((width, height), Image.Resampling.BICUBIC, box=(0, 0, across, down))
        return np.array(found)
    # By the first stride too torch tells channels_last, and gives the same back: NumPy's [None] would make it 0.
    values = torch.from_numpy(pixels).unsqueeze(0).permute(0, 3, 1, 2)
    if (across, down) != (width, height):
        scale = (1 + TINY) * height / down, (1 + TINY) * width / across
        values = functional.interpolate(values, scale_factor=scale, mode="bicubic", antialias=True)
    assert values.shape[2:] == (height, width), "the scale gives the size"
    return np.ascontiguousarray(values[0].permute(1, 2, 0).numpy())


def _upright(array: np.ndarray, image: Image.Image) -> np.ndarray:
    """A square picture turned as the file's EXIF data say."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation == 1:
        return array
    turned = Image.fromarray(array)
    turned.getexif()[ExifTags.Base.Orientation] = orientation
    ImageOps.exif_transpose(turned, in_place=True)
    return np.array(turned)


def _why_unknown(path: Path) -> str:
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    return f"is no picture, or broken at its very start. Formats that are read: {', '.join(FORMATS)}"


def _reason(error: Exception) -> str:
    """The error's words without the path that the operating system puts behind them."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
