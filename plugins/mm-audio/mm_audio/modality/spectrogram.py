"""The modality `spectrogram`: a sound file becomes a log-mel spectrogram once, when it is read, and is stored as such.

Batches come fifty times as fast as from waves, and take half of the room at 16 kHz. What it gives up are random changes
and damage to the wave itself, and hearing the sound in a report.
"""

# B = samples of a batch, F = frames, M = mel bands

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch

from mm_audio.modality.audio import AudioModality
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Shown
from mmcore.interfaces.settings import Range


class SpectrogramModality(AudioModality):
    """Cells are paths of sound files; the same numbers as `audio` gives without random changes to the wave."""

    passes_for = "audio"
    corruptions = ()

    def __init__(
        self,
        *,
        rate_hz: Annotated[int, Range(100, 384_000, log=True)] | None = None,
        max_seconds: Annotated[float, Range(0.01, 3600, soft_high=30)] = 10.0,
        highpass_hz: Annotated[float, Range(0.1, 192_000)] | None = None,
        lowpass_hz: Annotated[float, Range(0.1, 192_000)] | None = None,
        level: Literal["as_is", "equal"] = "equal",
        mels: Annotated[int, Range(1, 512, soft_high=128)] | None = None,
        window_s: Annotated[float, Range(0.001, 1, soft_high=0.05)] = 0.025,
        hop_s: Annotated[float, Range(0.001, 1, soft_high=0.02)] = 0.01,
        lowest_hz: Annotated[float, Range(0, 10_000)] = 50.0,
        highest_hz: Annotated[float, Range(1, 192_000)] | None = None,
        floor_db: Annotated[float, Range(-200, 0)] = -80.0,
        standardise: Literal["band", "all", "sound"] = "sound",
        time_masks: Annotated[int, Range(0, 20)] = 0,
        time_mask: Annotated[float, Range(0, 1)] = 0.2,
        frequency_masks: Annotated[int, Range(0, 20)] = 0,
        frequency_mask: Annotated[float, Range(0, 1)] = 0.2,
    ) -> None:
        """Settings: see conf/modality/spectrogram.yaml. Raises ConfigError where they do not fit each other."""
        super().__init__(
            rate_hz=rate_hz, max_seconds=max_seconds, highpass_hz=highpass_hz, lowpass_hz=lowpass_hz, level=level,
            mels=mels, window_s=window_s, hop_s=hop_s, lowest_hz=lowest_hz, highest_hz=highest_hz, floor_db=floor_db,
            standardise=standardise, time_masks=time_masks, time_mask=time_mask, frequency_masks=frequency_masks,
            frequency_mask=frequency_mask,
        )  # fmt: skip

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """The path of a sound -> its levels in dB, float32 [F,M]; what was learned is not yet taken off."""
        return self.levels_of(cell, base).numpy()

    def reads_by(self) -> Mapping[str, Any]:
        """Everything that the levels depend on; nothing of what was learned but the rate."""
        taken = {"level": self.level, "each_sound": self.standardise == "sound"}
        return {**super().reads_by(), **asdict(self.spectrum), **taken}

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """Levels -> standardised [B,F,M], zero where the frames' mask is False."""
        lengths = torch.tensor([0 if array is None else len(array) for array in arrays])
        longest = max(1, int(lengths.max()))
        values = np.zeros((len(arrays), longest, self.spectrum.mels), np.float32)
        mean, deviation = np.array(self.mean, np.float32), np.array(self.deviation, np.float32)
        for row, array in zip(values, arrays, strict=True):
            if array is not None:
                row[: len(array)] = (array - mean) / deviation
        return Field(torch.from_numpy(values), lengths > 0, torch.arange(longest) < lengths.unsqueeze(1))

    def augment(self, field: Field, generator: torch.Generator) -> Field:
        """Holes in time and frequency, where they are asked for."""
        return self.with_holes(field, generator)

    def corrupt(self, field: Field, kind: str, *, strength: float, generator: torch.Generator) -> Field:
        """There is no wave to damage."""
        raise NotImplementedError("a stored spectrogram cannot be made worse as a sound can: use the modality audio")

    def show(self, array: np.ndarray) -> Shown:
        """The levels as a picture, high bands above, the loudest white."""
        low, high = float(array.min()), float(array.max())
        grey = (255 * (array - low) / max(high - low, 1e-6)).astype(np.uint8).T[::-1]
        return "image", np.repeat(grey[..., None], 3, axis=2)
