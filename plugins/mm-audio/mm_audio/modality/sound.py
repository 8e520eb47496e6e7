"""One sound file to numbers: whatever libsndfile reads, as one channel of one sampling rate."""

# T = samples of a sound

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from scipy import signal

from mmcore.errors import ConfigError, DataError

FILTER_ORDER = 4
PROMISED = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
"""What libsndfile notes of a WAV, AIFF or AU file whose header promises more bytes than there are."""
STREAMED = 0x7FFFFF00
"""Sizes from here on mean that whoever wrote the header did not know the length yet: such files are whole."""

LENGTHS = (b"Xing", b"Info", b"VBRI")
"""How a first frame of MP3 is marked that tells how long the file is."""


@dataclass(frozen=True)
class Filter:
    """What is left of the frequencies: a Butterworth filter run forth and back, so that nothing is delayed."""

    highpass_hz: float | None
    """Lower frequencies are taken out."""
    lowpass_hz: float | None
    """Higher frequencies are taken out."""

    def check(self, rate_hz: int) -> None:
        """Raises ConfigError where nothing would be left, or where a corner lies above half the sampling rate."""
        for name, corner in (("highpass_hz", self.highpass_hz), ("lowpass_hz", self.lowpass_hz)):
            if corner is not None and corner >= rate_hz / 2:
                raise ConfigError(
                    f"{name} must be below {rate_hz / 2:g}, half of the sampling rate, but is {corner:g}."
                )
        if self.highpass_hz is not None and self.lowpass_hz is not None and self.highpass_hz >= self.lowpass_hz:
            raise ConfigError(
                f"highpass_hz ({self.highpass_hz:g}) must be below lowpass_hz ({self.lowpass_hz:g}): between them lies "
                "what is kept."
            )

    def __call__(self, wave: np.ndarray, rate_hz: int) -> np.ndarray:
        """[T] -> [T]."""
        corners = [corner for corner in (self.highpass_hz, self.lowpass_hz) if corner is not None]
        if not corners:
            return wave
        kind = "bandpass" if len(corners) == 2 else "lowpass" if self.highpass_hz is None else "highpass"
        edges = corners if len(corners) == 2 else corners[0]
        sections = signal.butter(FILTER_ORDER, edges, kind, fs=rate_hz, output="sos")
        reach = min(len(wave) - 1, round(0.05 * rate_hz))
        return signal.sosfiltfilt(sections, wave.astype(np.float64), padlen=reach)


@dataclass(frozen=True)
class SoundReader:
    """Reads files as one channel."""

    max_seconds: float
    filter: Filter

    def read(self, path: Path, name: str, *, rate_hz: int) -> np.ndarray:
        """The sound as float32 [T], at least one sample, within -1 and 1: what is louder is turned down as a whole.

        name: what messages call it; paths of this machine have no place in a quarantine list. Raises DataError where
        it is no sound, empty, broken, cut off, or holds something that is no number.
        """
        wave, rate = self.original(path, name)
        if rate != rate_hz:
            found = soxr.resample(wave, rate, rate_hz, quality="HQ")
            wave = found if len(found) else wave[:1]  # a single sample is less than one at a lower rate
        wave = np.asarray(self.filter(wave, rate_hz), np.float32)
        loudest = float(np.abs(wave).max())
        return wave / np.float32(loudest) if loudest > 1 else wave

    def original(self, path: Path, name: str) -> tuple[np.ndarray, int]:
        """The mean of all channels as it was sampled, float32 [T], and the sampling rate. Raises as `read` does."""
        try:
            # A descriptor has no name, so that the content alone decides what kind of file it is.
            with path.open("rb") as handle, soundfile.SoundFile(handle.fileno(), closefd=False) as file:
                rate = int(file.samplerate)
                wanted = min(file.frames, max(1, round(self.max_seconds * rate)))
                channels = file.read(wanted, dtype="float32", always_2d=True)
                _check_whole(file.extra_info, name)
                short = len(channels) < wanted and (file.format != "MP3" or _tells_length(handle))
        except OSError as error:
            raise DataError(f"cannot be read: {(error.strerror or str(error)).lower()}", path=name) from error
        except soundfile.LibsndfileError as error:
            raise DataError(_why(path, error), path=name) from error
        if not wanted or not len(channels):
            raise DataError("holds no samples", path=name)
        if short:
            raise DataError(f"is cut off: {wanted} samples are promised, {len(channels)} are there", path=name)
        if not np.isfinite(channels).all():
            raise DataError("holds samples that are not finite numbers", path=name)
        mono = channels[:, 0] if channels.shape[1] == 1 else channels.mean(1, dtype=np.float64).astype(np.float32)
        return mono, rate


def _check_whole(notes: str, name: str) -> None:
    for promised, there in PROMISED.findall(notes):
        if int(there) + 1 < int(promised) < STREAMED:  # a byte more is the padding of an odd length
            raise DataError(f"is cut off: {promised} bytes of sound are promised, {there} are there", path=name)


def _tells_length(handle: BinaryIO) -> bool:
    """Whether an MP3 file does; of any other libsndfile guesses the length, too high where the sound begins softly."""
    handle.seek(0)
    tag = handle.read(10)
    # ID3: the size stands in four bytes of seven bits each.
    size = sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
    handle.seek(10 + size if tag.startswith(b"ID3") else 0)
    start = handle.read(4096)
    return any(mark in start for mark in LENGTHS)


def _why(path: Path, error: soundfile.LibsndfileError) -> str:
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    return f"cannot be read as a sound: {error.error_string.strip().rstrip('.')}. WAV, FLAC, OGG and MP3 can."
