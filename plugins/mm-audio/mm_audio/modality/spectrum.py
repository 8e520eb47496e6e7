"""Waves to log-mel spectrograms, in which padding leaves no trace."""

# B = samples of a batch, T = samples of a wave, F = frames, K = frequencies of a transform, M = mel bands

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from mmcore.errors import ConfigError

STRAIGHT = 0.6
"""Up to this share of the highest frequency a vocal tract's length shifts formants in proportion (4.8 of 8 kHz)."""

CACHED = 512
"""Frames of a batch that a processor takes at once: their transforms stay in its cache."""
FEWEST = 8
"""Frames of a sound at once: with one alone the product that follows is made in another order, and rounds otherwise."""


@dataclass(frozen=True)
class Spectrum:
    """How waves of one rate become levels in dB of the mel bands; frame f is centred on sample f * hop."""

    rate_hz: int
    window: int
    """Samples under the Hann window."""
    hop: int
    """Samples from one frame to the next."""
    mels: int
    lowest_hz: float
    highest_hz: float
    floor_db: float
    """What is quieter is as loud as this; 0 dB is a sine wave as loud as can be written."""

    def __post_init__(self) -> None:
        if not self.lowest_hz < self.highest_hz <= self.rate_hz / 2:
            raise ConfigError(
                f"the mel bands must rise from lowest_hz ({self.lowest_hz:g}) to highest_hz ({self.highest_hz:g}), at "
                f"most half of the sampling rate ({self.rate_hz / 2:g})."
            )
        if not bool(self._bank.any(0).all()):
            raise ConfigError(
                f"{self.mels} mel bands between {self.lowest_hz:g} and {self.highest_hz:g} Hz are too many: some hear "
                f"nothing under a window of {self.window} samples. Set fewer mels, or a longer window_s."
            )

    @property
    def size(self) -> int:
        """Samples of one transform: twice as fine as the window needs, so that the lowest bands are not empty."""
        return 1 << (2 * max(2, self.window) - 1).bit_length()

    def frame_mask(self, mask: Tensor) -> Tensor:
        """[B,T] bool -> [B,F] bool: a frame is real where the sample that it is centred on is."""
        return mask[:, :: self.hop]

    def __call__(self, wave: Tensor, mask: Tensor, stretch: Tensor | None = None) -> Tensor:
        """Waves [B,T], silent where masked -> levels in dB [B,F,M], at least floor_db, which unreal frames hold.

        stretch: [B] how much shorter than it was each speaker's vocal tract shall sound ("Vocal Tract Length
        Perturbation (VTLP) improves speech recognition", Jaitly & Hinton 2013); None: all stay as they are.
        """
        bank = self._bank_on(wave.device) if stretch is None else self._triangles(self._stretched(stretch))
        with torch.autocast(wave.device.type, enabled=False):  # half of the digits would be lost before the logarithm
            heard = torch.cat([power @ bank for power in self._power(wave.float(), in_pieces=stretch is None)], dim=1)
            levels = 10 * torch.log10(heard.clamp_min(10 ** (self.floor_db / 10)))
        return torch.where(self.frame_mask(mask).unsqueeze(-1), levels, self.floor_db)

    def _power(self, wave: Tensor, *, in_pieces: bool) -> Iterator[Tensor]:
        """[B,T] -> [B,F,K], all frames or some after others; a full-scale sine has 1 where its frequency lies.

        in_pieces: more than half as fast again, of the same digits where all samples share a bank.
        """
        frames = -(-wave.shape[1] // self.hop)
        half = self.size // 2
        padded = functional.pad(wave, (half, half + (frames - 1) * self.hop - wave.shape[1]))
        window = torch.hann_window(self.window, device=wave.device)
        scale = (2 / window.sum()).square()
        pieces = 1 + frames * len(wave) // CACHED if in_pieces and wave.device.type == "cpu" else 1
        pieces = max(1, min(pieces, frames // FEWEST))
        ends = [frames * number // pieces for number in range(pieces + 1)]
        for first, end in pairwise(ends):
            part = padded[:, first * self.hop : (end - 1) * self.hop + self.size]
            found = torch.stft(part, self.size, self.hop, self.window, window=window, center=False, return_complex=True)
            # In place, and two halves added: a sum along an axis of two takes longer than the transform itself.
            parts = torch.view_as_real(found).square_()
            yield (parts[..., 0] + parts[..., 1]).mul_(scale).mT

    def _bank_on(self, device: torch.device) -> Tensor:
        """The bank where the waves are, brought there once: each copy would wait for the device."""
        if device not in self._banks:
            self._banks[device] = self._bank.to(device)
        return self._banks[device]

    @cached_property
    def _banks(self) -> dict[torch.device, Tensor]:
        return {}

    @cached_property
    def _bank(self) -> Tensor:
        return self._triangles(torch.linspace(0, self.rate_hz / 2, self.size // 2 + 1))

    def _stretched(self, stretch: Tensor) -> Tensor:
        """[B] -> [B,K] Hz: where each frequency is heard instead; in proportion, then on to the same highest one."""
        top = self.rate_hz / 2
        straight = STRAIGHT * top * stretch.clamp_max(1).unsqueeze(1)
        bend = straight / stretch.unsqueeze(1)
        hz = torch.linspace(0, top, self.size // 2 + 1, device=stretch.device).unsqueeze(0)
        beyond = top - (top - straight) / (top - bend) * (top - hz)
        return torch.where(hz <= bend, hz * stretch.unsqueeze(1), beyond)

    def _triangles(self, hz: Tensor) -> Tensor:
        """Frequencies [..,K] -> how much of each every band hears [..,K,M]: triangles of equal width in mels."""
        ends = torch.linspace(_mel(self.lowest_hz), _mel(self.highest_hz), self.mels + 2, device=hz.device)
        corner = 700 * (10 ** (ends / 2595) - 1)
        low, middle, high = corner[:-2], corner[1:-1], corner[2:]
        hz = hz.unsqueeze(-1)
        return torch.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)).clamp_min(0)


def _mel(hz: float) -> float:
    """O'Shaughnessy's formula, as HTK has it."""
    return float(2595 * torch.log10(torch.tensor(1 + hz / 700, dtype=torch.float64)))
