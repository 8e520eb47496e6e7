"""The modality `audio`: a sound file becomes a wave of one channel, a batch becomes log-mel spectrograms."""

# B = samples of a batch, T = samples of a wave, F = frames, M = mel bands

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mm_audio.modality.augment import SpectrumChanges, WaveChanges
from mm_audio.modality.damage import KINDS, damaged
from mm_audio.modality.sound import Filter, SoundReader
from mm_audio.modality.spectrum import Spectrum
from mmcore.errors import ArtifactError, DataError
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown
from mmcore.interfaces.settings import Range

FILE = "audio.json"
FIT_SOUNDS = 1000  # as for pictures: more would not move mean and deviation by a hundredth
HIGHEST_RATE_HZ = 16_000  # what a null rate goes up to: speech has little above 8 kHz, and every step costs with it
BANDS = ((8000, 24), (16_000, 40), (384_000, 64))
"""Up to a rate so many bands: broad enough that the harmonics of a voice melt into its formants. Spoken digits of
speakers never heard (George, Lucas, Nicolas of FSDD; means of 3): 40 bands at 8 kHz 69.4 %, 24 bands 73.5 %."""
LARGEST = 32767
SMALLEST_DEVIATION_DB = 1.0  # a band that is always silent must not blow its rounding errors up
Found = TypeVar("Found")


class AudioModality(Modality):
    """Cells are paths of sound files.

    Waves are stored and augmented. `prepare` makes spectrograms of them, unless `augment` has done so already: what it
    draws may concern the spectrogram (voices, holes), and a field [B,F,M] is recognised by its third axis.
    """

    files = True
    corruptions = KINDS

    def __init__(
        self,
        *,
        rate_hz: Annotated[int, Range(100, 384_000, log=True)] | None = None,
        max_seconds: Annotated[float, Range(0.01, 3600, soft_high=30)] = 10.0,
        highpass_hz: Annotated[float, Range(0.1, 192_000)] | None = None,
        lowpass_hz: Annotated[float, Range(0.1, 192_000)] | None = None,
        store: Literal["int16", "float32"] = "int16",
        level: Literal["as_is", "equal"] = "equal",
        mels: Annotated[int, Range(1, 512, soft_high=128)] | None = None,
        window_s: Annotated[float, Range(0.001, 1, soft_high=0.05)] = 0.025,
        hop_s: Annotated[float, Range(0.001, 1, soft_high=0.02)] = 0.01,
        lowest_hz: Annotated[float, Range(0, 10_000)] = 50.0,
        highest_hz: Annotated[float, Range(1, 192_000)] | None = None,
        floor_db: Annotated[float, Range(-200, 0)] = -80.0,
        standardise: Literal["band", "all", "sound"] = "sound",
        gain_db: Annotated[float, Range(0, 60)] = 0.0,
        shift_s: Annotated[float, Range(0, 3600, soft_high=0.2)] = 0.0,
        speed: Annotated[float, Range(0, 0.5)] = 0.0,
        noise_snr_db: tuple[float, float] | None = None,
        vocal_tract: Annotated[float, Range(0, 0.5)] = 0.0,
        time_masks: Annotated[int, Range(0, 20)] = 0,
        time_mask: Annotated[float, Range(0, 1)] = 0.2,
        frequency_masks: Annotated[int, Range(0, 20)] = 0,
        frequency_mask: Annotated[float, Range(0, 1)] = 0.2,
    ) -> None:
        """Settings: see conf/modality/audio.yaml. Raises ConfigError where they do not fit each other."""
        super().__init__()
        self.rate_hz = rate_hz
        self.sounds = SoundReader(max_seconds, Filter(highpass_hz, lowpass_hz))
        self.store = store
        self.level = level
        self.mels = mels
        self.window_s, self.hop_s = window_s, hop_s
        self.lowest_hz, self.highest_hz, self.floor_db = lowest_hz, highest_hz, floor_db
        self.standardise = standardise
        self.wave_changes = WaveChanges(gain_db, shift_s, speed, noise_snr_db)
        self.spectrum_changes = SpectrumChanges(
            vocal_tract, time_masks, time_mask=time_mask, frequency_masks=frequency_masks, frequency_mask=frequency_mask
        )
        self.max_frames = 0
        if rate_hz is not None:
            self._take(rate_hz)

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """The rate, the longest sound, mean and deviation of each band.

        Of more than 1,000 sounds 1,000 to 1,999 are heard, spread evenly.
        """
        paths = list(cells)
        paths = paths[:: max(1, len(paths) // FIT_SOUNDS)]
        if self.rate_hz is None:
            rates = Counter(rate for _, rate in self._each(paths, lambda cell: self.sounds.original(base / cell, cell)))
            commonest = max(rates, key=lambda rate: (rates[rate], rate), default=HIGHEST_RATE_HZ)
            self._take(min(commonest, HIGHEST_RATE_HZ))
        frames, total, squares = 0, np.zeros(self.spectrum.mels), np.zeros(self.spectrum.mels)
        for found in self._each(paths, lambda cell: self.levels_of(cell, base)):
            levels = found.double().numpy()
            frames, total, squares = frames + len(levels), total + levels.sum(0), squares + (levels**2).sum(0)
            self.max_frames = max(self.max_frames, len(levels))
        if not frames:
            told = f", the first being {paths[0]!r}" if paths else ""
            raise DataError(f"there is no sound to learn from: none of {len(paths)} can be read{told}.")
        mean, square = total / frames, squares / frames
        if self.standardise == "all":
            mean, square = np.full_like(mean, mean.mean()), np.full_like(square, square.mean())
        deviation = np.sqrt(np.maximum(square - mean**2, 0)).clip(SMALLEST_DEVIATION_DB)
        self.mean, self.deviation = _rounded(mean), _rounded(deviation)

    def save(self, folder: Path) -> None:
        """Write rate, longest sound, mean and deviation as JSON."""
        learned = {
            "deviation": self.deviation,
            "max_frames": self.max_frames,
            "mean": self.mean,
            "rate_hz": self.spectrum.rate_hz,
        }
        (folder / FILE).write_text(json.dumps(learned, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """Read what `save` wrote. Raises ArtifactError where it is not there."""
        modality = cls(**settings)
        try:
            learned = json.loads((folder / FILE).read_text(encoding="utf-8"))
            modality._take(int(learned["rate_hz"]))
            modality.max_frames = int(learned["max_frames"])
            modality.mean, modality.deviation = tuple(learned["mean"]), tuple(learned["deviation"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{folder / FILE} cannot be used ({error}): run the fit stage again.") from error
        return modality

    def facts(self) -> Mapping[str, Any]:
        """Mel bands, sampling rate, frames a second, and the frames of the longest sound that was learned from."""
        rate = self.spectrum.rate_hz
        return {
            "mels": self.spectrum.mels,
            "rate_hz": rate,
            "frames_per_second": rate / self.spectrum.hop,
            "max_frames": self.max_frames,
        }

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """The path of a sound -> its wave, int16 or float32 [T]."""
        return self.wave_of(cell, base)

    def wave_of(self, cell: Cell, base: Path) -> np.ndarray:
        """The wave at the rate, int16 or float32 [T]. Raises DataError where the cell or the file is none."""
        if not isinstance(cell, str):
            raise DataError(f"a sound is given by the path of its file, but the cell holds {cell!r}.", path=str(cell))
        wave = self.sounds.read(base / cell, cell, rate_hz=self.spectrum.rate_hz)
        return np.rint(wave * LARGEST).astype(np.int16) if self.store == "int16" else wave

    def levels_of(self, cell: Cell, base: Path) -> Tensor:
        """The levels of one sound, in dB, [F,M]; what was learned of others is not taken off."""
        return self._levels(AudioModality.collate(self, [self.wave_of(cell, base)]))[0]

    def reads_by(self) -> Mapping[str, Any]:
        """Rate, length, filter and kind of number: nothing of the spectrogram, nor random changes."""
        return {**asdict(self.sounds), "rate_hz": self.spectrum.rate_hz, "store": self.store}

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """Waves -> [B,T] of the stored kind, padded with silence on the right."""
        lengths = [0 if array is None else len(array) for array in arrays]
        values = np.zeros((len(arrays), max(1, *lengths)), self.store)
        mask = np.zeros(values.shape, dtype=bool)
        for row, real, array, length in zip(values, mask, arrays, lengths, strict=True):
            if array is not None:
                row[:length], real[:length] = array, True
        return Field(torch.from_numpy(values), torch.tensor(lengths) > 0, torch.from_numpy(mask))

    @property
    def augments(self) -> bool:
        """Whether any of the random changes is asked for."""
        return self.wave_changes.any() or self.spectrum_changes.any()

    def augment(self, field: Field, generator: torch.Generator) -> Field:
        """Change the waves at random and, where voices or holes are asked for, go on to the spectrogram."""
        if self.wave_changes.any():
            wave, mask = _wave(field)
            wave, mask = self.wave_changes(wave, mask, generator, rate_hz=self.spectrum.rate_hz)
            field = replace(field, values=wave, mask=mask)
        changes = self.spectrum_changes
        if not changes.any():
            return field
        field = self._spectrogram(field, changes.stretch(len(field), generator, device=field.values.device))
        return self.with_holes(field, generator)

    def with_holes(self, field: Field, generator: torch.Generator) -> Field:
        """A spectrogram with as many holes in time and frequency as are asked for."""
        assert field.mask is not None, "a sound has a mask"
        holes = self.spectrum_changes.holes(field.mask, self.spectrum.mels, generator)
        return field.with_values(torch.where(holes, 0, field.values))

    def corrupt(self, field: Field, kind: str, *, strength: float, generator: torch.Generator) -> Field:
        """White noise or a stretch of silence; see damage.py."""
        if strength == 0:
            return field
        wave, mask = _wave(field)
        wave = damaged(wave, mask, kind, strength=strength, generator=generator)
        return field.with_values(wave if self.store == "float32" else (wave * LARGEST).round().to(torch.int16))

    def prepare(self, field: Field) -> Field:
        """Waves -> standardised log-mel spectrograms [B,F,M] with the frames' mask, zero where it is False."""
        return field if field.values.ndim == 3 else self._spectrogram(field)

    def show(self, array: np.ndarray) -> Shown:
        """The wave, from -1 to 1."""
        wave = array / np.float32(LARGEST) if array.dtype == np.int16 else array
        return "wave", (wave, self.spectrum.rate_hz)

    def _spectrogram(self, field: Field, stretch: Tensor | None = None) -> Field:
        assert field.mask is not None, "a sound has a mask"
        levels, mask = self._levels(field, stretch), self.spectrum.frame_mask(field.mask)
        learned = (torch.tensor(part) for part in (self.mean, self.deviation))
        mean, deviation = (part.to(levels.device, non_blocking=True) for part in learned)
        values = torch.where(mask.unsqueeze(-1), (levels - mean) / deviation, 0)
        return replace(field, values=values, mask=mask)

    def _levels(self, field: Field, stretch: Tensor | None = None) -> Tensor:
        """[B,F,M] in dB; where `standardise` is sound, each band's mean over the sound is taken off."""
        wave, mask = _wave(field)
        if self.level == "equal":
            power = _power(wave, mask)
            wave = wave * torch.where(power > 0, (EQUAL_POWER / power.clamp_min(1e-12)).sqrt(), 1)
        levels = self.spectrum(wave, mask, stretch)
        if self.standardise != "sound":
            return levels
        real = self.spectrum.frame_mask(mask).unsqueeze(-1)
        total = torch.where(real, levels, 0).sum(1, keepdim=True, dtype=torch.float64)  # else it rounds by the padding
        return levels - (total / real.sum(1, keepdim=True).clamp_min(1)).float()

    def _take(self, rate_hz: int) -> None:
        """Everything that follows from the rate. Raises ConfigError where a setting does not go with it."""
        self.sounds.filter.check(rate_hz)
        bands = next(count for rate, count in BANDS if rate_hz <= rate)
        highest = rate_hz / 2 if self.highest_hz is None else self.highest_hz
        self.spectrum = Spectrum(
            rate_hz,
            window=max(2, round(self.window_s * rate_hz)),
            hop=max(1, round(self.hop_s * rate_hz)),
            mels=bands if self.mels is None else self.mels,
            lowest_hz=self.lowest_hz,
            highest_hz=highest,
            floor_db=self.floor_db,
        )
        self.mean, self.deviation = (0.0,) * self.spectrum.mels, (1.0,) * self.spectrum.mels

    def _each(self, cells: Iterable[Cell], look: Callable[[str], Found]) -> Iterator[Found]:
        """What `look` finds in every cell; one that cannot be read is skipped: the encode stage puts it aside."""
        for cell in cells:
            try:
                yield look(str(cell))
            except DataError:
                continue


EQUAL_POWER = 0.01
"""Mean square of a wave at 20 dB below full scale."""
BLOCK = 512
"""Samples whose squares are summed in float32."""


def _wave(field: Field) -> tuple[Tensor, Tensor]:
    """The field's waves as float32 [B,T] from -1 to 1, silent where masked, and their mask."""
    assert field.mask is not None, "a sound has a mask"
    values = field.values
    wave = values.float() if values.is_floating_point() else values.float() / LARGEST
    return torch.where(field.mask, wave, 0), field.mask


def _power(wave: Tensor, mask: Tensor) -> Tensor:
    """[B,1] the mean square of waves [B,T] that are silent where masked, the same however much padding they have.

    Blocks of one length are summed in one order, and their sums in float64: all in float64 would take 15 times as long.
    """
    blocks = functional.pad(wave, (0, -wave.shape[1] % BLOCK)).unflatten(1, (-1, BLOCK))
    total = torch.linalg.vector_norm(blocks, dim=2).double().square().sum(1, keepdim=True)
    return (total / mask.sum(1, keepdim=True).clamp_min(1)).float()


def _rounded(numbers: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(number), 6) for number in numbers)
