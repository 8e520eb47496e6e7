"""Answers to look at: which ones, and how what the model saw becomes a piece of HTML."""

import base64
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.image
import numpy as np
from markupsafe import Markup, escape

THUMBNAIL = 192
"""Pixels of a picture's longer side in the page, at most."""

Shown = tuple[str, Any]
"""What `Modality.show` gives: ("image", uint8 [H,W,3]), ("text", str), ("number", float), ..."""


@dataclass(frozen=True)
class Example:
    """One row with what the model said about it."""

    id: str
    inputs: Mapping[str, Shown | None]
    """None where the row lacks the field."""
    predicted: str
    actual: str
    confidence: float | None = None
    """The probability of what was predicted, where the task gives one."""
    right: bool | None = None
    """None where an answer is more or less good, not right or wrong."""


@dataclass(frozen=True)
class Gallery:
    """Examples of one sort."""

    title: str
    note: str
    examples: Sequence[Example]


@dataclass(frozen=True)
class Choice:
    """Rows of one sort, before anything about them was read."""

    title: str
    note: str
    rows: np.ndarray
    right: bool | None = None
    """Whether these answers are right; None where they are more or less good."""


def choose(
    scores: np.ndarray | None,
    *,
    ids: Sequence[str],
    groups: Sequence[Any],
    confidence: np.ndarray | None,
    better: str,
    count: int,
) -> list[Choice]:
    """Which rows to show: right and wrong ones, or the best and the worst, or any.

    scores: one number a row, 1 and 0 where answers are right or wrong; None where the metric has none for single rows.
    ids: decide which of equals are shown, so that the same data gives the same page. groups: at most one row of each is
    shown while there are others. confidence: puts the surest mistakes first.
    """
    order = np.array(sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest()), dtype=int)
    if scores is None:
        return [Choice("Answers", "Drawn at random.", _spread(order, groups, count))]
    scores = np.asarray(scores, dtype=float)
    if not np.isin(scores, (0.0, 1.0)).all():
        ranked = order[np.argsort(scores[order] if better == "down" else -scores[order], kind="stable")]
        return [
            Choice("Best answers", "The closest ones.", _spread(ranked, groups, count)),
            Choice("Worst answers", "The farthest off.", _spread(ranked[::-1], groups, count)),
        ]
    right, wrong = order[scores[order] == 1], order[scores[order] == 0]
    note = "Drawn at random."
    if confidence is not None:
        wrong, note = wrong[np.argsort(-confidence[wrong], kind="stable")], "The surest ones first."
    wrong_title = f"Wrong answers ({len(wrong):,} of {len(order):,})"
    return [
        Choice(wrong_title, note, _spread(wrong, groups, count), right=False),
        Choice(f"Right answers ({len(right):,})", "Drawn at random.", _spread(right, groups, count), right=True),
    ]


def _spread(rows: np.ndarray, groups: Sequence[Any], count: int) -> np.ndarray:
    """The first `count` rows, those first whose group was not seen yet."""
    seen = set[Any]()
    first, again = list[int](), list[int]()
    for row in rows.tolist():
        (again if groups[row] in seen else first).append(row)
        seen.add(groups[row])
        if len(first) == count:
            break
    return np.array([*first, *again][:count], dtype=int)


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
    samples, rate = content
    return Markup('<p class="text">sound, {} s</p>').format(f"{len(samples) / rate:.2f}")


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
