"""The audio modality and its encoders keep the promises of mmcore.interfaces."""

from pathlib import Path

import numpy as np
import soundfile
import torch

from mmcore.interfaces.field import Field
from mmcore.testing.encoder import EncoderContract
from mmcore.testing.modality import ModalityContract

RATE = 8000


def wave(seconds: float = 0.3, *, seed: int = 0, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """A tone of its own for each seed, and some noise, [T] or [T,channels]."""
    draw = np.random.default_rng(seed)
    time = np.arange(max(1, round(seconds * rate))) / rate
    tone = 0.4 * np.sin(2 * np.pi * (200 + 150 * seed) * time) + 0.02 * draw.standard_normal(len(time))
    return tone if channels == 1 else np.stack([tone] * channels, 1)


def write(path: Path, samples: np.ndarray, *, rate: int = RATE, kind: str = "WAV", subtype: str | None = None) -> str:
    """A sound file whatever its name says; its name."""
    soundfile.write(path, samples, rate, format=kind, subtype=subtype)
    return path.name


FACTS = {"mels": 12, "rate_hz": 8000, "frames_per_second": 100.0, "max_frames": 21}


def spectrograms(samples: int, generator: torch.Generator) -> Field:
    """Sounds of 5 to 21 frames, the first of 21."""
    lengths = torch.randint(5, 21, (samples,), generator=generator)
    lengths[0] = 21
    mask = torch.arange(21) < lengths.unsqueeze(1)
    values = torch.randn(samples, 21, 12, generator=generator)
    return Field(values.where(mask.unsqueeze(-1), torch.tensor(0.0)), torch.ones(samples, dtype=torch.bool), mask)


class TestAudio(ModalityContract):
    name = "audio"
    settings = {"mels": 12, "max_seconds": 0.5}

    def cells(self, folder: Path):
        write(folder / "float.wav", 3 * wave(seed=5), subtype="FLOAT")
        write(folder / "one.wav", wave(seed=6)[:1])
        write(folder / "silence.wav", np.zeros(900))
        return [
            write(folder / "plain.wav", wave()),
            write(folder / "long.flac", wave(0.9, seed=1), kind="FLAC"),
            write(folder / "vorbis.ogg", wave(seed=2), kind="OGG"),
            write(folder / "really-an-mp3.wav", wave(seed=3, rate=16000), rate=16000, kind="MP3"),
            write(folder / "eight.wav", wave(seed=4, channels=8)),
            "float.wav",
            "one.wav",
            "silence.wav",
        ]

    def broken(self, folder: Path):
        write(folder / "whole.wav", wave())
        (folder / "truncated.wav").write_bytes((folder / "whole.wav").read_bytes()[:-500])
        (folder / "empty.wav").write_bytes(b"")
        (folder / "text.wav").write_text("this is no sound")
        write(folder / "nothing.wav", np.zeros(0))
        write(folder / "nan.wav", np.where(np.arange(900) == 7, np.nan, wave()[:900]), subtype="FLOAT")
        return ["truncated.wav", "empty.wav", "text.wav", "nothing.wav", "nan.wav", "missing.wav", 7]


class TestSpectrogram(TestAudio):
    name = "spectrogram"
    settings = {"mels": 12, "max_seconds": 0.5, "time_masks": 1, "frequency_masks": 1}


class TestAudioChangedAsWave(TestAudio):
    settings = {
        "mels": 12,
        "rate_hz": 16000,
        "store": "float32",
        "level": "as_is",
        "standardise": "band",
        "gain_db": 6.0,
        "shift_s": 0.02,
        "speed": 0.1,
        "noise_snr_db": [5.0, 30.0],
        "highpass_hz": 100.0,
        "lowpass_hz": 3000.0,
    }


class TestAudioChangedAsSpectrogram(TestAudio):
    settings = {"mels": 12, "standardise": "all", "vocal_tract": 0.2, "time_masks": 1, "frequency_masks": 2}


class TestAudioChangedAsBoth(TestAudio):
    settings = {"mels": 12, "vocal_tract": 0.2, "speed": 0.2}


class TestAudioCNN(EncoderContract):
    name = "audio-cnn"
    facts = FACTS
    settings = {"stem_width": 4, "widths": [4, 8], "time_strides": [1, 2], "frequency_strides": [2, 1], "groups": 2}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        return spectrograms(samples, generator)


class TestAudioCNNCells(TestAudioCNN):
    settings = {
        "stem_width": 4,
        "stem_strides": [1, 1],
        "widths": [4, 8],
        "time_strides": [3, 1],
        "frequency_strides": [2, 5],
        "kernel": 5,
        "groups": 2,
        "output": "cells",
    }


class TestAudioTransformer(TestAudioCNN):
    name = "audio-transformer"
    settings = {"width": 8, "heads": 2, "layers": 2, "dropout": 0.0}


class TestAudioTransformerWithoutStem(TestAudioCNN):
    name = "audio-transformer"
    settings = {"width": 12, "heads": 2, "layers": 2, "time_strides": []}


class TestAudioTimm(TestAudioCNN):
    """Batch norm."""

    name = "audio-timm"
    settings = {"model": "test_efficientnet", "multiple": 64}


class TestAudioTimmGlobal(TestAudioCNN):
    name = "audio-timm"
    settings = {"model": "test_convnext", "output": "global", "multiple": 32}


class TestAudioTimmTransformer(TestAudioCNN):
    name = "audio-timm"
    settings = {"model": "test_vit"}


class TestAudioTimmTransformerGlobal(TestAudioCNN):
    name = "audio-timm"
    settings = {"model": "test_vit", "output": "global"}
