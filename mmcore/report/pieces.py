"""How what a model saw becomes a piece of HTML."""

import base64
import io
import wave
from collections.abc import Callable
from typing import Any

import matplotlib.image
import numpy as np
from markupsafe import Markup, escape

THUMBNAIL = 192
"""Pixels of a picture's longer side in the page, at most."""
WAVE_POINTS = 160
"""Strokes that a sound is drawn with."""
MOST_SECONDS = 10
"""Of a sound that the page holds to be listened to: a second of 16 kHz is 43 kB there."""

Shown = tuple[str, Any]
"""What `Modality.show` gives: ("image", uint8 [H,W,3]), ("text", str), ("number", float), ..."""


def piece(shown: Shown | None) -> Markup:
    """HTML for what a modality showed."""
    if shown is None:
        return Markup('<span class="absent">not given</span>')
    kind, content = shown
    return _PIECES.get(kind, _text)(content)


def _image(array: np.ndarray) -> Markup:
    small = thumbnail(array)
    height, width = small.shape[:2]
    crisp = ' class="crisp"' if max(array.shape[:2]) < THUMBNAIL else ""
    return Markup('<img{} src="{}" width="{}" height="{}" alt="">').format(
        Markup(crisp), data_uri(small), width, height
    )


def _text(content: object) -> Markup:
    return Markup('<p class="text">{}</p>').format(str(content))


def _number(content: float) -> Markup:
    return Markup('<p class="text">{}</p>').format(f"{content:.6g}")


def _wave(content: tuple[np.ndarray, int]) -> Markup:
    """A sound to look at and, where it is not long, to listen to."""
    samples, rate = np.asarray(content[0], dtype=np.float32), int(content[1])
    drawn = Markup('<svg class="wave" role="img" aria-label="sound" viewBox="0 0 {} 40"><path d="{}"/></svg>').format(
        WAVE_POINTS, _envelope(samples)
    )
    caption = Markup('<p class="text">{} s</p>').format(f"{len(samples) / rate:.2f}")
    if len(samples) > MOST_SECONDS * rate:
        return drawn + caption
    return (
        drawn
        + caption
        + Markup('<audio controls preload="none" src="data:audio/wav;base64,{}"></audio>').format(
            base64.b64encode(_wav(samples, rate)).decode()
        )
    )


def _envelope(samples: np.ndarray) -> str:
    """The lowest and highest sample of each of WAVE_POINTS stretches, as the path of an SVG 40 units high."""
    parts = [part for part in np.array_split(samples, WAVE_POINTS) if len(part)]
    loudest = max(float(np.abs(samples).max()), 1e-9) if len(samples) else 1.0
    return "".join(
        f"M{n} {20 - 19 * part.max() / loudest:.1f}V{20 - 19 * part.min() / loudest:.1f}"
        for n, part in enumerate(parts)
    )


def _wav(samples: np.ndarray, rate: int) -> bytes:
    """One channel of 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


_PIECES: dict[str, Callable[[Any], Markup]] = {"image": _image, "number": _number, "wave": _wave, "text": _text}


def thumbnail(array: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] made smaller by averaging whole blocks, until its longer side is near THUMBNAIL."""
    height, width = array.shape[:2]
    step = -(-max(height, width) // THUMBNAIL)
    if step <= 1:
        return array
    rows, columns = max(1, height // step), max(1, width // step)
    tall, wide = min(step, height), min(step, width)
    blocks = array[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide, 3)
    small: np.ndarray = blocks.mean((1, 3)).round().astype(np.uint8)
    return small


def data_uri(array: np.ndarray) -> str:
    """uint8 [H,W,3] as a data: address; PNG, or JPEG where that is much smaller (photographs)."""
    png, jpeg = _encoded(array, "png"), _encoded(array, "jpeg")
    kind, content = ("jpeg", jpeg) if 2 * len(jpeg) < len(png) else ("png", png)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(array: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, np.ascontiguousarray(array), format=kind)
    return buffer.getvalue()


def label(text: object) -> Markup:
    """A class name that may be empty, or nothing but blanks."""
    return escape(text) if str(text).strip() else Markup("<i>empty</i>")
