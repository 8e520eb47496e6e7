"""Random changes to a batch of sounds: to the waves, and to what their spectrograms show."""

# B = samples of a batch, T = samples of a wave, F = frames, M = mel bands

from dataclasses import dataclass

import torch
from torch import Tensor


def uniform(low: float, high: float, *, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """[count] numbers between low and high, drawn where the generator lives."""
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return (low + (high - low) * drawn).to(device)


@dataclass(frozen=True)
class WaveChanges:
    """How far the waves themselves may be changed."""

    gain_db: float
    """Louder or softer by up to so much."""
    shift_s: float
    """Earlier or later by up to so much; silence comes in, what leaves is lost."""
    speed: float
    """Faster or slower by up to this share, higher or lower with it ("Audio augmentation for speech recognition")."""
    noise_snr_db: tuple[float, float] | None
    """White noise, so many dB below the sound."""

    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.gain_db or self.shift_s or self.speed or self.noise_snr_db is not None)

    def __call__(
        self, wave: Tensor, mask: Tensor, generator: torch.Generator, *, rate_hz: int
    ) -> tuple[Tensor, Tensor]:
        """Waves [B,T] with the mask of their real samples -> the same changed, [B,T'] with its mask."""
        count, device = len(wave), wave.device

        def draw(low: float, high: float) -> Tensor:
            return uniform(low, high, count=count, generator=generator, device=device)

        if self.speed or self.shift_s:
            shift = (draw(-self.shift_s, self.shift_s) * rate_hz).round()
            wave, mask = _moved(wave, mask, speed=1 + draw(-self.speed, self.speed), shift=shift)
        if self.noise_snr_db is not None:
            wave = _with_noise(wave, mask, snr_db=draw(*self.noise_snr_db), generator=generator)
        if self.gain_db:
            wave = wave * 10 ** (draw(-self.gain_db, self.gain_db) / 20).unsqueeze(1)
        return wave, mask


@dataclass(frozen=True)
class SpectrumChanges:
    """What may be changed in spectrograms: voices, and holes in time and frequency."""

    vocal_tract: float
    """Speakers' vocal tracts sound longer or shorter by up to this share."""
    time_masks: int
    """Holes in time ("SpecAugment", 1904.08779, section 2)."""
    time_mask: float
    """Each as wide as up to this share of the sound."""
    frequency_masks: int
    """Holes in frequency."""
    frequency_mask: float
    """Each as high as up to this share of the bands."""

    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.vocal_tract or self.time_masks or self.frequency_masks)

    def stretch(self, count: int, generator: torch.Generator, *, device: torch.device) -> Tensor | None:
        """[count] how much shorter each vocal tract shall sound."""
        if not self.vocal_tract:
            return None
        low, high = 1 - self.vocal_tract, 1 + self.vocal_tract
        return uniform(low, high, count=count, generator=generator, device=device)

    def holes(self, mask: Tensor, bands: int, generator: torch.Generator) -> Tensor:
        """Frames' mask [B,F] -> [B,F,M] bool: what is to be taken out."""
        count, frames = mask.shape
        whole = mask.sum(1)
        found = torch.zeros(count, frames, bands, dtype=torch.bool, device=mask.device)
        for _ in range(self.time_masks):
            found |= _stripe(whole, self.time_mask, places=frames, generator=generator).unsqueeze(2)
        for _ in range(self.frequency_masks):
            every = torch.full_like(whole, bands)
            found |= _stripe(every, self.frequency_mask, places=bands, generator=generator).unsqueeze(1)
        return found


def _stripe(whole: Tensor, share: float, *, places: int, generator: torch.Generator) -> Tensor:
    """[B,places] bool: of each row one stretch inside `whole` [B], as wide as up to `share` of it."""
    width, start = (uniform(0, 1, count=len(whole), generator=generator, device=whole.device) for _ in range(2))
    width = (width * (share * whole + 1)).floor()
    start = (start * (whole - width + 1)).floor()
    place = torch.arange(places, device=whole.device)
    return (place >= start.unsqueeze(1)) & (place < (start + width).unsqueeze(1))


def _moved(wave: Tensor, mask: Tensor, *, speed: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Sample t of the new wave comes from t * speed - shift of the old one, between four samples (Catmull-Rom)."""
    length = mask.sum(1)
    new_length = torch.where(length > 0, (length / speed).round().clamp_min(1), 0)
    new_mask = torch.arange(max(1, int(new_length.max())), device=wave.device) < new_length.unsqueeze(1)
    steps = torch.arange(new_mask.shape[1], device=wave.device, dtype=torch.float64)
    place = steps * speed.double().unsqueeze(1) - shift.double().unsqueeze(1)
    first = place.floor().long()
    t = (place - first).to(wave.dtype)
    weights = (
        t * (-0.5 + t * (1 - 0.5 * t)),
        1 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    )
    found = torch.zeros_like(t)
    for weight, index in zip(weights, (first - 1, first, first + 1, first + 2), strict=True):
        inside = (index >= 0) & (index < length.unsqueeze(1))
        found += torch.where(inside, weight * wave.gather(1, index.clamp(0, wave.shape[1] - 1)), 0)
    return torch.where(new_mask, found, 0), new_mask


def _with_noise(wave: Tensor, mask: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> Tensor:
    power = torch.where(mask, wave, 0).square().sum(1) / mask.sum(1).clamp_min(1)
    size = (power * 10 ** (-snr_db / 10)).sqrt().unsqueeze(1)
    noise = torch.randn(wave.shape, generator=generator, device=generator.device).to(wave.device)
    return torch.where(mask, wave + size * noise, wave)
