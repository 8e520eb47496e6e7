"""What the audio modality learns, and the spectrograms that it makes."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from mm_audio.modality import AudioModality

from mmcore.errors import ArtifactError, DataError

RATE = 8000
PLAIN = {"store": "float32", "level": "as_is", "standardise": "band"}
HERE = Path()


def noise(seconds: float, *, seed: int = 0, size: float = 0.1) -> np.ndarray:
    return (size * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def ready(**settings) -> AudioModality:
    """Nothing was learned: levels in dB come out as they are."""
    return AudioModality(**{"rate_hz": RATE, "mels": 40, **PLAIN, **settings})


def prepared(modality: AudioModality, *waves: np.ndarray):
    return modality.prepare(modality.collate(list(waves)))


@pytest.fixture
def folder(tmp_path):
    for n in range(12):
        soundfile.write(tmp_path / f"{n}.wav", noise(0.2 + 0.02 * n, seed=n), RATE)
    return tmp_path


CELLS = [f"{n}.wav" for n in range(12)]


def test_there_is_a_frame_for_each_hop_that_begins_inside_the_sound():
    field = prepared(ready(), *(np.ones(n, np.float32) for n in (1, 80, 81, 800)))

    assert field.values.shape == (4, 10, 40)
    assert field.mask.sum(1).tolist() == [1, 1, 2, 10]
    assert (field.values[~field.mask] == 0).all()


def test_padding_leaves_no_trace():
    modality, waves = ready(), [noise(0.31), noise(0.1, seed=1)]

    alone, beside = prepared(modality, waves[1]), prepared(modality, *waves)

    torch.testing.assert_close(beside.values[1][beside.mask[1]], alone.values[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("store", ["int16", "float32"])
def test_a_sound_is_the_same_to_the_last_digit_whatever_padding_its_batch_brings(store):
    modality = ready(store=store, level="equal", standardise="sound")
    scale = 32767 if store == "int16" else 1
    sounds = [(scale * noise(0.2 + 0.17 * n, seed=n)).astype(store) for n in range(20)]

    beside = prepared(modality, *sounds)

    for number, sound in enumerate(sounds):
        alone = prepared(modality, sound)
        assert torch.equal(beside.values[number][beside.mask[number]], alone.values[0])


@pytest.mark.parametrize("hz", [200, 1000, 3000])
def test_a_tone_is_heard_in_its_band(hz):
    time = np.arange(RATE // 2) / RATE
    values = prepared(ready(), np.sin(2 * np.pi * hz * time).astype(np.float32)).values[0, 20]

    low, here, high = (np.log10(1 + f / 700) for f in (50, hz, 4000))
    expected = (here - low) / (high - low) * 41 - 1
    assert values.argmax().item() == pytest.approx(expected, abs=1)
    assert values.max().item() == pytest.approx(0, abs=5)  # a full-scale sine is 0 dB, spread over some frequencies
    assert values[(values.argmax() + 20) % 40] < -40


def test_silence_is_as_soft_as_the_floor():
    assert (prepared(ready(floor_db=-70.0), np.zeros(800, np.float32)).values == -70).all()


def test_loudness_is_a_choice():
    waves = [noise(0.3), 0.1 * noise(0.3)]

    as_it_is = prepared(ready(), *waves).values
    equal = prepared(ready(level="equal"), *waves).values

    torch.testing.assert_close(as_it_is[0] - as_it_is[1], torch.full_like(as_it_is[0], 20.0), rtol=0, atol=1e-2)
    torch.testing.assert_close(equal[0], equal[1], rtol=1e-4, atol=1e-3)


def test_the_colour_of_a_microphone_is_taken_off_with_the_mean_of_each_sound():
    wave = noise(0.4)
    coloured = np.convolve(wave, [1, 0.9], mode="same").astype(np.float32)

    one, other = prepared(ready(standardise="sound"), wave, coloured).values
    plain_one, plain_other = prepared(ready(), wave, coloured).values

    assert (one - other).abs().mean() < 0.2 * (plain_one - plain_other).abs().mean()
    torch.testing.assert_close(one.mean(0), torch.zeros(40), atol=1e-3, rtol=0)


@pytest.mark.parametrize("standardise", ["band", "all", "sound"])
def test_training_sounds_have_mean_zero_and_deviation_one(folder, standardise):
    modality = AudioModality(standardise=standardise, mels=40)
    modality.fit(CELLS, folder)

    field = modality.prepare(modality.collate([modality.read(cell, folder) for cell in CELLS]))
    real = field.values[field.mask]

    torch.testing.assert_close(real.mean(), torch.tensor(0.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(real.std(), torch.tensor(1.0), atol=2e-2, rtol=0)
    if standardise != "all":
        torch.testing.assert_close(real.std(0), torch.ones(40), atol=2e-2, rtol=0)


@pytest.mark.parametrize(("rates", "learned", "mels"), [([8000, 8000, 44100], 8000, 24), ([44100, 44100], 16000, 40)])
def test_the_rate_is_that_of_most_sounds_up_to_what_speech_needs(tmp_path, rates, learned, mels):
    for n, rate in enumerate(rates):
        soundfile.write(tmp_path / f"{n}.wav", noise(0.3), rate)
    modality = AudioModality()

    modality.fit([f"{n}.wav" for n in range(len(rates))], tmp_path)
    facts = modality.facts()

    assert (facts["rate_hz"], facts["mels"], facts["frames_per_second"]) == (learned, mels, 100)


def test_the_longest_sound_is_a_fact(folder):
    modality = AudioModality()
    modality.fit(CELLS, folder)

    assert modality.facts()["max_frames"] == 42


def test_what_was_fitted_comes_back_and_is_the_same_to_the_byte(folder, tmp_path):
    written = []
    for run in ("one", "two"):
        modality = AudioModality()
        modality.fit(CELLS, folder)
        (tmp_path / run).mkdir()
        modality.save(tmp_path / run)
        written.append((tmp_path / run / "audio.json").read_bytes())

    loaded = AudioModality.load(tmp_path / "one")

    assert written[0] == written[1]
    assert (loaded.mean, loaded.deviation) == (modality.mean, modality.deviation)
    assert loaded.facts() == modality.facts()


def test_unreadable_sounds_are_skipped_until_none_is_left(folder):
    (folder / "broken.wav").write_bytes(b"")
    modality = AudioModality()

    modality.fit(["broken.wav", "0.wav"], folder)
    with pytest.raises(DataError, match=r"none of 1 can be read, the first being 'broken.wav'"):
        AudioModality().fit(["broken.wav"], folder)
    with pytest.raises(DataError, match="no sound to learn from"):
        AudioModality().fit([], folder)


def test_a_lost_fit_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match=r"audio.json cannot be used .* run the fit stage again"):
        AudioModality.load(tmp_path)


def test_a_sound_is_shown_as_a_wave_of_its_rate(folder):
    modality = AudioModality()
    modality.fit(CELLS, folder)

    kind, (wave, rate) = modality.show(modality.read("3.wav", folder))

    assert (kind, rate) == ("wave", RATE)
    assert np.abs(wave).max() <= 1
    np.testing.assert_allclose(wave, soundfile.read(folder / "3.wav")[0], atol=1e-3)


@pytest.mark.parametrize("in_pieces", [True, False])
@pytest.mark.parametrize(("batch", "samples"), [(1, 4_000), (5, 16_001), (64, 16_001)])
def test_the_power_of_a_frame_is_that_of_the_plain_formula_to_the_last_digit(batch, samples, in_pieces):
    spectrum = AudioModality(rate_hz=16_000).spectrum
    wave, half = torch.randn(batch, samples, generator=torch.Generator().manual_seed(0)), spectrum.size // 2
    frames = -(-samples // spectrum.hop)
    padded = torch.nn.functional.pad(wave, (half, half + (frames - 1) * spectrum.hop - samples))
    window = torch.hann_window(spectrum.window)
    found = torch.stft(
        padded, spectrum.size, spectrum.hop, spectrum.window, window=window, center=False, return_complex=True
    )

    plain = torch.view_as_real(found).square().sum(-1) * (2 / window.sum()).square()

    assert torch.equal(torch.cat([*spectrum._power(wave, in_pieces=in_pieces)], dim=1), plain.mT)


@pytest.mark.parametrize(("batch", "samples"), [(64, 16_001), (1, 513 * 160), (1, 1025 * 160), (600, 1_600)])
def test_levels_made_in_pieces_are_those_of_the_whole_to_the_last_digit(batch, samples):
    spectrum = AudioModality(rate_hz=16_000).spectrum
    wave = torch.randn(batch, samples, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(wave.shape, dtype=torch.bool)
    assert batch == 600 or len([*spectrum._power(wave, in_pieces=True)]) > 1, "this batch is taken in pieces"

    (power,) = spectrum._power(wave, in_pieces=False)
    whole = 10 * torch.log10((power @ spectrum._bank).clamp_min(10 ** (spectrum.floor_db / 10)))

    assert torch.equal(spectrum(wave, mask), whole)
