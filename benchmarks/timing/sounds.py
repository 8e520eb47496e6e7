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
from mmcore.registry.plugins import installed
from mmcore.registry.settings import Part
from timing.pairs import in_turns, not_measured, row

RATE_HZ, SECONDS = 22_050, 3


def sound_rows(*, quick: bool) -> list[dict[str, Any]]:
    """22 kHz files at 16 kHz, one by one and 32 at once from the store, beside librosa for each file."""
    names = (
        "audio file to log-mel, the first time, beside librosa",
        "audio to log-mel, from the store, beside librosa",
    )
    if find_spec("librosa") is None:
        why = "librosa is not installed, pip install -c constraints.txt librosa (extra: bench)"
        return [not_measured(name, goal=goal, why=why) for name, goal in zip(names, (1.7, 50.0), strict=True)]
    import librosa

    torch.set_num_threads(1)
    draw, found = np.random.default_rng(0), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder:
        base, cells = Path(folder), [f"{number}.wav" for number in range(8 if quick else 64)]
        for cell in cells:
            with wave.open(str(base / cell), "wb") as file:
                file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE_HZ)
                file.writeframes((draw.normal(size=RATE_HZ * SECONDS) * 3000).astype(np.int16).tobytes())
        modality = installed().modality.build(Part("audio", {"rate_hz": 16_000, "mels": 40}), where="benchmark")
        modality.fit(cells, base)
        writer = StoreWriter(base / "store")
        for cell in cells:
            writer.add(modality.read(cell, base))
        writer.finish(np.arange(len(cells)))
        store = Store(base / "store")

        def ours() -> None:
            for cell in cells:
                modality.prepare(modality.collate([modality.read(cell, base)]))

        def from_store() -> None:
            for at in range(0, len(cells), 32):
                modality.prepare(modality.collate(store.take(np.arange(at, min(at + 32, len(cells))))))

        def theirs() -> None:
            for cell in cells:
                sound, rate = librosa.load(base / cell, sr=16_000)
                mels = librosa.feature.melspectrogram(y=sound, sr=rate, n_fft=400, hop_length=160, n_mels=40)
                librosa.power_to_db(mels)

        for name, work, goal in ((names[0], ours, 1.7), (names[1], from_store, 50.0)):
            mine, reference = in_turns(work, theirs, turns=2 if quick else 5)
            found.append(row(name, mine, reference, goal=goal, unit="ms a file", scale=1000 / len(cells)))
    return found
