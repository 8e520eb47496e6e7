"""Fewer steps, or another number of them; missing values are left out of every mean."""

# T = steps, C = channels

import numpy as np


def averaged(values: np.ndarray, size: int) -> np.ndarray:
    """[T,C] -> [ceil(T / size),C]: the mean of each `size` steps; NaN where none of them is known."""
    if size == 1:
        return values
    lacking = -len(values) % size
    padded = np.concatenate([values, np.full((lacking, values.shape[1]), np.nan)])
    blocks = padded.reshape(-1, size, values.shape[1])
    known = ~np.isnan(blocks)
    count = known.sum(1)
    total = np.where(known, blocks, 0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def resampled(values: np.ndarray, steps: int) -> np.ndarray:
    """[T,C] -> [steps,C], by linear interpolation between known values; NaN where the nearest step was missing."""
    places = np.linspace(0, len(values) - 1, steps)
    nearest = np.round(places).astype(int)
    found = np.full((steps, values.shape[1]), np.nan)
    for channel in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, channel]))
        if len(known):
            lines = np.interp(places, known, values[known, channel])
            found[:, channel] = np.where(np.isnan(values[nearest, channel]), np.nan, lines)
    return found


def sketched(values: np.ndarray, known: np.ndarray, *, height: int = 64, width: int = 256) -> np.ndarray:
    """[T,C] and what of it is known -> uint8 [height,width,3]: each channel as a line of its own colour, for a report.

    The line ends where a value is missing; a known step between missing ones is a dot.
    """
    picture = np.full((height, width, 3), 255, dtype=np.uint8)
    if not known.any():
        return picture
    low, high = values[known].min(), values[known].max()
    share = (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)
    columns = np.arange(len(values)) * (width - 1) / max(1, len(values) - 1)
    for channel in range(values.shape[1]):
        places = np.stack([(1 - share[:, channel]) * (height - 1), columns], 1)
        there = np.flatnonzero(known[:, channel])
        following = there + np.append(known[1:, channel], False)[there]  # itself, where the next one is missing
        points = _strokes(places[there], places[following])
        hue = 2 * np.pi * channel / values.shape[1] + np.array([0, 2, 4]) * np.pi / 3
        picture[points[:, 0], points[:, 1]] = (110 + 100 * np.cos(hue)).astype(np.uint8)
    return picture


def _strokes(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """[N,2] and [N,2] -> int [points,2]: every point of the lines between them, no two of a line more than 1 apart."""
    counts = np.ceil(np.abs(ends - starts).max(1)).astype(int) + 1
    line = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(line)) - (counts.cumsum() - counts)[line]
    share = number / np.maximum(1, counts - 1)[line]
    points: np.ndarray = (starts[line] + share[:, None] * (ends - starts)[line]).round().astype(int)
    return points
