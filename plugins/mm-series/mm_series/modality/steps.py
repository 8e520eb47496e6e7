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
    """[T,C] and what of it is known -> uint8 [height,width,3]: each channel as dots of its own colour, for a report."""
    picture = np.full((height, width, 3), 255, dtype=np.uint8)
    steps, channels = np.nonzero(known)
    if not len(steps):
        return picture
    shown = values[known]
    low, high = shown.min(), shown.max()
    share = (shown - low) / (high - low) if high > low else np.full(len(shown), 0.5)
    rows = ((1 - share) * (height - 1)).round().astype(int)
    columns = (steps * (width - 1) / max(1, len(values) - 1)).round().astype(int)
    hue = 2 * np.pi * channels[:, None] / max(1, values.shape[1]) + np.array([0, 2, 4]) * np.pi / 3
    picture[rows, columns] = (110 + 100 * np.cos(hue)).astype(np.uint8)
    return picture
