"""JPEG is decoded beside Pillow: to the same pixels, or not at all."""

import io
from itertools import product

import numpy as np
import pytest
from mm_image.modality import ImageModality, picture
from mm_image.modality.jpeg import SMALLEST, jpeg_pixels
from PIL import Image

from mmcore.errors import DataError


def noisy(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Soft shapes with some noise."""
    draw = np.random.default_rng(0)
    soft = Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    values = np.asarray(soft, np.int16) + draw.integers(-30, 31, (height, width, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert(mode)


def jpeg(image: Image.Image, **options) -> bytes:
    """The file."""
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def opened(content: bytes, side: int) -> tuple[Image.Image, tuple[int, int]]:
    """What Pillow is asked for at a smaller scale, and the size that the file has."""
    image = Image.open(io.BytesIO(content))
    size = image.size
    image.draft(None, (side, side))
    return image, size


@pytest.mark.parametrize("size", [(SMALLEST, 17), (33, 64), (97, 211), (640, 480)])
@pytest.mark.parametrize("side", [4, 60, 300])
def test_whatever_the_file_is_like_the_pixels_are_pillows(size, side):
    for subsampling, progressive, quality in product((0, 1, 2), (False, True), (20, 95)):
        options = {"subsampling": subsampling, "progressive": progressive, "quality": quality}
        content = jpeg(noisy(*size), **options, restart_marker_blocks=4 * (quality == 20))
        image, whole = opened(content, side)

        found = jpeg_pixels(image, whole)

        assert found is not None
        assert np.array_equal(found, np.asarray(opened(content, side)[0])), options


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_left_to_pillow(mode):
    assert jpeg_pixels(*opened(jpeg(noisy(64, 64, mode)), 16)) is None


def test_other_formats_and_tiny_pictures_are_left_to_pillow():
    file = io.BytesIO()
    noisy(64, 64).save(file, "PNG")

    assert jpeg_pixels(*opened(file.getvalue(), 16)) is None
    assert jpeg_pixels(*opened(jpeg(noisy(64, SMALLEST - 1)), 16)) is None


def answers(folder, monkeypatch, *, alone: bool) -> list[str]:
    """What reading says of a file damaged in many ways; alone: by Pillow."""
    if alone:
        monkeypatch.setattr(picture, "jpeg_pixels", lambda image, size: None)
    whole, draw, found = jpeg(noisy(120, 90), progressive=True), np.random.default_rng(0), list[str]()
    for number in range(60):
        content = bytearray(whole)
        if number % 2:
            content[int(draw.integers(len(whole)))] = int(draw.integers(256))
        else:
            del content[int(draw.integers(len(whole))) :]
        (folder / "a.jpg").write_bytes(content)
        try:
            found.append(ImageModality(size_px=16).read("a.jpg", folder).tobytes().hex())
        except DataError as error:
            found.append(str(error))
    return found


def test_of_a_damaged_file_the_same_is_said_as_by_pillow_alone(tmp_path, monkeypatch):
    found = answers(tmp_path, monkeypatch, alone=False)

    assert found == answers(tmp_path, monkeypatch, alone=True)
    assert 10 < sum(one.startswith("a.jpg: ") for one in found) < 50
