"""Random changes to sounds, one by one."""

import numpy as np
import pytest
import torch
from mm_audio.modality import AudioModality

RATE = 8000
PLAIN = {"store": "float32", "level": "as_is", "standardise": "band"}


def changed(modality: AudioModality, field, seed: int = 0):
    return modality.augment(field, torch.Generator().manual_seed(seed))


def made(**settings) -> AudioModality:
    return AudioModality(**{"rate_hz": RATE, "mels": 40, **PLAIN, **settings})


def sounds(modality: AudioModality, samples: int = 8, seconds: float = 0.4, hz: float = 500):
    """Tones with some noise, the later the shorter."""
    draw, waves = np.random.default_rng(0), []
    for n in range(samples):
        time = np.arange(round((seconds - 0.02 * n) * RATE)) / RATE
        waves.append((0.3 * np.sin(2 * np.pi * hz * time) + 0.01 * draw.standard_normal(len(time))).astype(np.float32))
    return modality.collate([None, *waves])


def level(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (values.square().sum(1) / mask.sum(1).clamp_min(1)).sqrt()


def pitch_hz(wave: torch.Tensor) -> float:
    return torch.fft.rfft(wave * torch.hann_window(len(wave))).abs().argmax().item() * RATE / len(wave)


def test_without_augmentation_nothing_changes():
    modality = made()
    field = sounds(modality)

    assert changed(modality, field) is field
    assert not modality.augments


def test_gain_changes_the_loudness_within_its_bounds():
    modality = made(gain_db=6.0)
    field = sounds(modality, 40, 1.0)
    after = changed(modality, field)

    gain = 20 * (level(after.values, field.mask)[1:] / level(field.values, field.mask)[1:]).log10()

    assert gain.abs().max() <= 6.001
    assert gain.max() - gain.min() > 6


def test_a_shift_moves_the_sound_and_keeps_its_length():
    modality = made(shift_s=0.05)
    click = np.zeros(4000, np.float32)
    click[2000] = 0.5
    field = modality.collate([click] * 50)

    after = changed(modality, field)
    places = after.values.argmax(1)

    assert torch.equal(after.mask, field.mask)
    assert (places - 2000).abs().max() <= 0.05 * RATE
    assert places.unique().numel() > 25
    torch.testing.assert_close(after.values.amax(1), torch.full((50,), 0.5))


def test_speed_changes_length_and_pitch_together():
    modality = made(speed=0.1)
    field = sounds(modality, 20, 1.0)

    after = changed(modality, field)

    ratio = (field.mask.sum(1) / after.mask.sum(1).clamp_min(1))[1:]
    assert 0.899 < ratio.min() < 0.95 < 1.05 < ratio.max() < 1.101
    for row in range(1, 6):
        heard = pitch_hz(after.values[row][after.mask[row]])
        assert heard == pytest.approx(500 * ratio[row - 1].item(), abs=4)


def test_noise_lies_as_far_below_the_sound_as_is_said():
    modality = made(noise_snr_db=(10.0, 10.0))
    field = sounds(modality)

    added = changed(modality, field).values - field.values

    ratio = 20 * (level(field.values, field.mask)[1:] / level(added, field.mask)[1:]).log10()
    torch.testing.assert_close(ratio, torch.full_like(ratio, 10.0), atol=0.5, rtol=0)
    assert (added[~field.mask] == 0).all()


def test_silence_stays_silent_under_noise():
    modality = made(noise_snr_db=(0.0, 0.0))

    assert (changed(modality, modality.collate([np.zeros(99, np.float32)])).values == 0).all()


def test_a_voice_moves_up_or_down_and_keeps_its_length():
    modality = made(vocal_tract=0.2)
    field = sounds(modality, 30, 0.7, hz=1000)

    before, after = modality.prepare(field), changed(modality, field)

    assert torch.equal(before.mask, after.mask)
    peaks = after.values.argmax(2)[1:, 5]
    assert peaks.min() < before.values[1, 5].argmax() < peaks.max()


def test_holes_are_where_the_mean_is_and_elsewhere_nothing_changes():
    modality = made(time_masks=1, frequency_masks=1)
    field = sounds(modality)
    before, after = modality.prepare(field), changed(modality, field)

    hole = before.values != after.values

    assert (after.values[hole] == 0).all()
    for row in range(1, len(field)):
        frames, bands = hole[row][before.mask[row]].all(1).sum(), hole[row][before.mask[row]].all(0).sum()
        assert frames <= 0.2 * before.mask[row].sum() + 1
        assert bands <= 0.2 * 40 + 1
    assert hole.any(2).any(1)[1:].all()


def test_holes_lie_inside_the_sound_however_short_it_is():
    modality = made(time_masks=3, time_mask=1.0)
    field = modality.collate([np.ones(1, np.float32), np.ones(4000, np.float32)])

    assert changed(modality, field).values.isfinite().all()


def test_each_sound_has_its_own_luck_and_each_seed_too():
    modality = made(noise_snr_db=(10.0, 10.0), speed=0.05, frequency_masks=1)
    wave = sounds(modality, 1).values[1].numpy()
    field = modality.collate([wave, wave])

    one, other = changed(modality, field, 0), changed(modality, field, 1)

    assert not torch.equal(one.values[0], one.values[1])
    assert one.values.shape != other.values.shape or not torch.equal(one.values, other.values)


def test_what_was_made_a_spectrogram_is_prepared_already():
    modality = made(vocal_tract=0.1)
    after = changed(modality, sounds(modality))

    assert modality.prepare(after) is after


def test_every_change_at_once_is_finite_for_one_sample_silence_and_absence():
    modality = made(
        gain_db=6.0, shift_s=0.1, speed=0.2, noise_snr_db=(0.0, 30.0), vocal_tract=0.2, time_masks=2, frequency_masks=2
    )
    field = modality.collate([np.ones(1, np.float32), np.zeros(500, np.float32), None])

    after = modality.prepare(changed(modality, field))

    assert after.values.isfinite().all()
    assert after.mask.any(1).tolist() == [True, True, False]


@pytest.mark.parametrize(("strength", "snr_db"), [(0.25, 20), (0.75, 0), (1.0, -10)])
def test_damage_by_noise_is_as_loud_as_is_said(strength, snr_db):
    modality = made()
    field = sounds(modality)
    noisy = modality.corrupt(field, "noise", strength=strength, generator=torch.Generator().manual_seed(0))

    for row in range(1, len(field)):
        before, after = (part.values[row][field.mask[row]] for part in (field, noisy))
        sound = before * (before @ after) / (before @ before)  # as loud as it still is
        ratio = 10 * (sound.square().sum() / (after - sound).square().sum()).log10()
        assert ratio.item() == pytest.approx(snr_db, abs=1)
    assert (noisy.values[~field.mask] == 0).all()
    assert noisy.values.abs().max() <= 1


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
def test_damage_by_a_hole_silences_its_share(strength):
    modality = made()
    field = sounds(modality)
    silenced = modality.corrupt(field, "hole", strength=strength, generator=torch.Generator().manual_seed(0)).values

    share = ((silenced == 0) & field.mask).sum(1)[1:] / field.mask.sum(1)[1:]
    torch.testing.assert_close(share, torch.full_like(share, strength), atol=2e-2, rtol=0)
