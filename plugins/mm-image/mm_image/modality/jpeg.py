"""JPEG files by libjpeg-turbo itself: the pixels that Pillow gives, without its copies line by line."""

# H, W = height and width in pixels

import numpy as np
import simplejpeg
from PIL import Image

SMALLEST = 16
"""Sides from which on a size tells at which of the eight scales of JPEG it was decoded."""


def jpeg_pixels(image: Image.Image, size: tuple[int, int]) -> np.ndarray | None:
    """What Pillow opened, and may have been asked for at a smaller scale, as uint8 [H,W,3] of `image.size`.

    size: width and height that the file has. None where it is no JPEG of three colours, or anything but flawless:
    what can still be had of it, or why nothing can, is for Pillow to say.
    """
    if image.format != "JPEG" or image.mode != "RGB" or min(size) < SMALLEST:
        return None
    file, (width, height) = image.fp, image.size
    file.seek(0)
    try:
        found: np.ndarray = simplejpeg.decode_jpeg(file.read(), "RGB", min_height=height, min_width=width)
    except ValueError:
        return None
    return found if found.shape == (height, width, 3) else None
