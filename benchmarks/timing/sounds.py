"""Sounds: from files to log-mel spectrograms, for the first time and from the store."""

import tempfile
import wave
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.data.store import Store
from mmcore.data.storing import StoreWriter
from mmcore.interfaces.modality import Modality
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from timing.pairs import in_turns, not_measured, row

RATE_HZ, SECONDS, BATCH = 22_050, 3, 32
GOALS = {
    "audio file to log-mel, the first time, beside librosa": 1.7,
    "audio to log-mel, from stored waves (modality audio), beside librosa": 1.7,
    "audio to log-mel, from the store (modality spectrogram), beside librosa": 50.0,
}


def sound_rows(*, quick: bool) -> list[dict[str, Any]]:
    """22 kHz files at 16 kHz, one by one and 32 at once from the store, beside the same by librosa for each file."""
    if find_spec("librosa") is None:
        why = "librosa is not installed, pip install -c constraints.txt librosa (extra: bench)"
        return [not_measured(what, goal=goal, why=why) for what, goal in GOALS.items()]
    import librosa

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        cells = noises(base, count=8 if quick else 64)
        audio, spectrogram = (fitted(name, base, cells) for name in ("audio", "spectrogram"))
        waves, levels = (stored(one, base, cells) for one in (audio, spectrogram))

        def first() -> None:
            for cell in cells:
                audio.prepare(audio.collate([audio.read(cell, base)]))

        size = {"n_fft": audio.spectrum.size, "win_length": audio.spectrum.window, "hop_length": audio.spectrum.hop}

        def theirs() -> None:
            for cell in cells:
                sound, rate = librosa.load(base / cell, sr=16_000)
                mels = librosa.feature.melspectrogram(y=sound, sr=rate, n_mels=40, **size)
                librosa.power_to_db(mels)

        found = list[dict[str, Any]]()
        works = (first, lambda: batches(audio, waves), lambda: batches(spectrogram, levels))
        for (what, goal), work in zip(GOALS.items(), works, strict=True):
            mine, reference = in_turns(work, theirs, turns=2 if quick else 5)
            found.append(row(what, mine, reference, goal=goal, unit="ms a file", scale=1000 / len(cells)))
    return found


def noises(folder: Path, *, count: int) -> list[str]:
    """Names of that many WAV files."""
    draw, cells = np.random.default_rng(0), [f"{number}.wav" for number in range(count)]
    for cell in cells:
        with wave.open(str(folder / cell), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE_HZ)
            file.writeframes((draw.normal(size=RATE_HZ * SECONDS) * 3000).astype(np.int16).tobytes())
    return cells


def fitted(name: str, base: Path, cells: list[str]) -> Any:
    """The modality at 16 kHz with 40 bands."""
    modality = installed().modality.build(Part(name, {"rate_hz": 16_000, "mels": 40}), where="benchmark")
    modality.fit(cells, base)
    return modality


def stored(modality: Modality, base: Path, cells: list[str]) -> Store:
    """Every sound as the stage encode leaves it."""
    folder = base / type(modality).__name__
    writer = StoreWriter(folder)
    for cell in cells:
        writer.add(modality.read(cell, base))
    writer.finish(np.arange(len(cells)))
    return Store(folder)


def batches(modality: Modality, store: Store) -> None:
    """All of the store, ready for the model."""
    for at in range(0, len(store), BATCH):
        modality.prepare(modality.collate(store.take(np.arange(at, min(at + BATCH, len(store))))))
