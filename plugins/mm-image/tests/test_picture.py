"""What may lie in a picture file, good and bad."""

import os
import struct
import subprocess
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mm_image.modality import ImageModality, picture
from mm_image.modality.picture import FORMATS, resampled
from PIL import Image, ImageOps
from torch.nn import functional

from mmcore.errors import DataError

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def read(folder, name, **settings):
    return ImageModality(**{"size_px": 8, **settings}).read(name, folder)


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header promises pixels that never come."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def halves(left, right, size=(8, 8)) -> Image.Image:
    """A picture of two colours side by side."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, size[0], size[1]))
    return image


def test_a_dark_picture_of_16_bits_is_dark_in_each_format(tmp_path):
    deep = np.full((4, 4), 200, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "dark.png")
    (tmp_path / "dark.pgm").write_bytes(b"P5\n4 4\n65535\n" + deep.astype(">u2").tobytes())
    assert [read(tmp_path, name).max() for name in ("dark.png", "dark.pgm")] == [0, 0]


def test_a_picture_of_the_right_size_is_kept_to_the_bit(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    array = read(tmp_path, "a.png")

    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, pixels)


def test_the_background_shows_through_transparency(tmp_path):
    image = Image.new("RGBA", (8, 8), (*RED, 0))
    image.paste((*RED, 255), (0, 0, 4, 8))
    image.save(tmp_path / "a.png")

    array = read(tmp_path, "a.png", background=GREEN)

    assert array[0, 0].tolist() == list(RED)
    assert array[0, 7].tolist() == list(GREEN)


def test_a_palette_with_a_transparent_colour_is_laid_over_the_background(tmp_path):
    image = halves(RED, GREEN).quantize(2)
    image.save(tmp_path / "a.gif", transparency=image.getpixel((7, 0)))

    array = read(tmp_path, "a.gif", background=WHITE)

    assert array[0, 0].tolist() == list(RED)
    assert array[0, 7].tolist() == list(WHITE)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA", "RGBA"])
def test_every_mode_becomes_three_channels_of_bytes(tmp_path, mode):
    name = "a.tiff" if mode == "CMYK" else "a.png"
    Image.new("RGB", (8, 8), WHITE).convert(mode).save(tmp_path / name)

    array = read(tmp_path, name)

    assert array.shape == (8, 8, 3)
    assert (array >= 254).all()


def test_sixteen_bits_of_grey_become_eight(tmp_path):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "a.png")

    array = read(tmp_path, "a.png")

    np.testing.assert_array_equal(array, np.stack([ramp >> 8] * 3, 2))


@pytest.mark.parametrize(("highest", "bits"), [(255, 0), (256, 8), (65535, 8)])
def test_of_thirty_two_bits_of_grey_as_many_count_as_are_used(tmp_path, highest, bits):
    ramp = np.linspace(0, highest, 64).astype(np.int32).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "a.tiff")

    array = read(tmp_path, "a.tiff")

    np.testing.assert_array_equal(array, np.stack([ramp >> bits] * 3, 2))


def test_a_picture_is_turned_as_its_exif_data_says(tmp_path):
    image = halves(RED, GREEN, (64, 64))
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)

    array = read(tmp_path, "a.jpg").astype(int)

    assert array[0, :, 0].min() > 200  # red above
    assert array[7, :, 1].min() > 200  # green below


def test_crop_keeps_the_middle_pad_keeps_all_and_stretch_distorts(tmp_path):
    image = Image.new("RGB", (24, 8), GREEN)
    image.paste(RED, (8, 0, 16, 8))
    image.save(tmp_path / "a.png")

    crop = read(tmp_path, "a.png", resize="crop")
    pad = read(tmp_path, "a.png", resize="pad", background=WHITE)
    stretch = read(tmp_path, "a.png", resize="stretch")

    assert (crop == np.array(RED)).all()
    assert pad[0, 0].tolist() == pad[7, 7].tolist() == list(WHITE)
    assert pad[4, 0].tolist() != list(WHITE)
    assert stretch[0, 0, 1] > 200
    assert stretch[7, 7, 1] > 200


def test_the_thinnest_picture_still_has_a_pixel(tmp_path):
    Image.new("RGB", (500, 1), RED).save(tmp_path / "a.png")

    assert read(tmp_path, "a.png", resize="pad").shape == (8, 8, 3)


def test_a_large_jpeg_is_decoded_small(tmp_path):
    halves(RED, GREEN, (1024, 1024)).save(tmp_path / "a.jpg")

    array = read(tmp_path, "a.jpg").astype(int)

    assert array[:, 1, 0].min() > 200
    assert array[:, 6, 1].min() > 200


def waves(width: int, height: int, *, across: float) -> Image.Image:
    """Soft waves: `across` of them over the width, and as many over the height."""
    x, y = ((np.arange(length) + 0.5) / length * 2 * np.pi * across for length in (width, height))
    values = 127.5 + 120 * np.sin(x)[None] * np.cos(y)[:, None]
    return Image.fromarray(np.repeat(values[..., None], 3, 2).astype(np.uint8))


def apart(array: np.ndarray, image: Image.Image) -> float:
    """The largest difference to Pillow's own bicubic interpolation."""
    wanted = np.asarray(image.resize(array.shape[1::-1], Image.Resampling.BICUBIC)).astype(int)
    return float(np.abs(array - wanted).max())


@pytest.mark.parametrize("size", [(200, 150), (60, 45), (20, 15)])
def test_resampling_is_pillows_bicubic_but_for_the_rounding(size):
    image = waves(*size, across=4)

    assert apart(resampled(np.array(image), 32, 40, box=(0, 0, *size)), image) <= 1


@pytest.mark.parametrize("size", [(577, 577), (961, 961), (3001, 500), (1, 700), (700, 3)])
def test_a_picture_that_is_much_too_large_is_averaged_first_and_stays_where_it_was(size):
    image = waves(*size, across=5)

    assert apart(resampled(np.array(image), 32, 32, box=(0, 0, *size)), image) <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [640, 641, 647])
def test_a_jpeg_decoded_at_part_of_its_size_is_the_same_picture(tmp_path, side, orientation):
    image = waves(side, side, across=6)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", quality=95, exif=exif)

    array = read(tmp_path, "a.jpg", size_px=64)

    assert apart(array, ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg"))) <= 8


def test_a_wide_jpeg_that_is_turned_is_padded_where_it_ends(tmp_path):
    image = Image.new("RGB", (400, 200), RED)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)

    array = read(tmp_path, "a.jpg", size_px=8, resize="pad", background=(0, 0, 255))

    assert array[0, :, 2].tolist() == [255, 255, *[array[0, 2, 2]] * 4, 255, 255]
    assert (array[:, 2:6, 0] > 200).all()


def test_torch_gives_pictures_back_in_the_layout_that_they_are_stored_in(monkeypatch):
    given = []

    def noted(*arguments, **settings):
        given.append(functional.interpolate(*arguments, **settings))
        return given[0]

    monkeypatch.setattr(picture, "functional", SimpleNamespace(interpolate=noted))
    resampled(np.array(waves(60, 45, across=2)), 32, 40, box=(0, 0, 60, 45))

    assert given[0].is_contiguous(memory_format=torch.channels_last)


RESAMPLE = """
import sys, numpy as np
from mm_image.modality.picture import resampled
draw = np.random.default_rng(0)
for size, height, width in ((300, 200), 48, 32), ((7, 90), 40, 1), ((3, 2), 24, 24), ((900, 20), 5, 64):
    picture = draw.integers(0, 256, (size[1], size[0], 3), np.uint8)
    print(resampled(picture, height, width, box=(0, 0, *size)).tobytes().hex())
"""


def test_resampling_gives_the_same_bytes_on_a_processor_that_can_do_less():
    def run(**capability: str) -> str:
        command = [sys.executable, "-c", RESAMPLE]
        return subprocess.run(
            command, env={**os.environ, **capability}, capture_output=True, text=True, check=True
        ).stdout

    assert run() == run(ATEN_CPU_CAPABILITY="default") != ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"this is a text", "is no picture"),
        (png_header(8, 8), "cannot be read as a picture"),
        (png_header(8, 8)[:20], "Truncated"),
    ],
)
def test_a_broken_file_is_a_data_error_that_names_it_as_the_table_does(tmp_path, content, reason):
    (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(DataError, match=reason) as caught:
        read(tmp_path, "a.png")

    assert str(caught.value).startswith("a.png: ")
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.path == "a.png"


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff"])
def test_a_file_cut_off_anywhere_in_its_first_half_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    for length in range(0, len(whole) // 2, len(whole) // 40):
        (tmp_path / f"cut.{suffix}").write_bytes(whole[:length])
        with pytest.raises(DataError, match=f"cut.{suffix}: "):
            read(tmp_path, f"cut.{suffix}")


def test_missing_files_folders_and_other_cells_are_data_errors(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"missing\.png: .*no such file"):
        read(tmp_path, "missing.png")
    with pytest.raises(DataError, match=r"folder: .*is a directory"):
        read(tmp_path, "folder")
    with pytest.raises(DataError, match="but the cell holds 3"):
        read(tmp_path, 3)


def test_max_pixels_is_told_from_the_header(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")

    with pytest.raises(DataError, match=r"a.png: has 40 x 30 pixels, more than max_pixels \(1000\)"):
        read(tmp_path, "a.png", max_pixels=1000)


PROBE = """
import resource, sys
from pathlib import Path
from mm_image.modality import ImageModality
from mmcore.errors import DataError
modality = ImageModality()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for name in sys.argv[2:]:
    try:
        modality.read(name, Path(sys.argv[1]))
    except DataError as error:
        print(error)
print(peak() - before)
"""


def test_a_memory_bomb_is_refused_without_taking_memory(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_header(50_000, 50_000))
    (tmp_path / "large.png").write_bytes(png_header(9_000, 9_000))

    command = [sys.executable, "-W", "ignore", "-c", PROBE, str(tmp_path), "bomb.png", "large.png"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert lines[0].startswith("bomb.png: is larger than max_pixels (64000000)")
    assert lines[1].startswith("large.png: has 9000 x 9000 pixels")
    assert int(lines[2]) < 20, "MiB that reading took"


def test_every_format_that_is_named_is_known_to_pillow():
    Image.init()

    assert set(FORMATS) <= set(Image.OPEN)
    assert "EPS" not in FORMATS
