"""Spectrograms that are stored hold what those made of stored waves hold."""

import numpy as np
import pytest
import soundfile
import torch
from mm_audio.modality import AudioModality, SpectrogramModality

RATE = 8000
CELLS = [f"{n}.wav" for n in range(6)]


@pytest.fixture
def folder(tmp_path):
    for n, cell in enumerate(CELLS):
        wave = 0.1 * np.random.default_rng(n).standard_normal(round((0.2 + 0.05 * n) * RATE))
        soundfile.write(tmp_path / cell, wave, RATE)
    return tmp_path


def batch(modality, folder):
    modality.fit(CELLS, folder)
    return modality.prepare(modality.collate([modality.read(cell, folder) for cell in CELLS] + [None]))


@pytest.mark.parametrize("standardise", ["band", "all", "sound"])
@pytest.mark.parametrize("level", ["as_is", "equal"])
def test_the_numbers_are_those_of_the_modality_audio(folder, standardise, level):
    of_waves, stored = (
        batch(kind(standardise=standardise, level=level), folder) for kind in (AudioModality, SpectrogramModality)
    )
    assert torch.equal(stored.mask, of_waves.mask)
    assert torch.equal(stored.present, of_waves.present)
    torch.testing.assert_close(stored.values, of_waves.values, rtol=1e-5, atol=1e-4)


def test_what_was_learned_is_that_of_the_modality_audio(folder):
    learned = AudioModality(), SpectrogramModality()
    for modality in learned:
        modality.fit(CELLS, folder)
    assert learned[0].facts() == learned[1].facts()
    assert (learned[0].mean, learned[0].deviation) == (learned[1].mean, learned[1].deviation)


def test_other_windows_are_another_way_to_read(folder):
    ways = [SpectrogramModality(rate_hz=RATE, **more).reads_by() for more in ({}, {"hop_s": 0.02}, {"level": "as_is"})]
    assert ways[0] != ways[1]
    assert ways[0] != ways[2]
    assert SpectrogramModality(rate_hz=RATE, time_masks=2).reads_by() == ways[0]


def test_holes_are_made_while_training(folder):
    modality = SpectrogramModality(frequency_masks=1, frequency_mask=0.5)
    field = batch(modality, folder)
    holes = modality.augment(field, torch.Generator().manual_seed(0)).values
    changed = holes != field.values
    assert changed.any()
    assert (holes[changed] == 0).all()


def test_a_report_shows_a_picture(folder):
    modality = SpectrogramModality(rate_hz=RATE, mels=24, standardise="band")
    time = np.arange(RATE // 4) / RATE
    soundfile.write(folder / "low.wav", 0.5 * np.sin(2 * np.pi * 200 * time), RATE)
    kind, picture = modality.show(modality.read("low.wav", folder))
    assert (kind, picture.dtype, picture.shape[::2]) == ("image", np.uint8, (24, 3))
    assert picture[16:].mean() > picture[:8].mean()  # low tones lie below
