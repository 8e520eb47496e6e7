"""Sound files of every kind, whole and broken."""

import numpy as np
import pytest
import soundfile
from mm_audio.modality import AudioModality

from mmcore.errors import ConfigError, DataError

RATE = 8000


def tone(hz: float = 440, seconds: float = 0.5, *, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def write(path, samples, *, rate: int = RATE, kind: str = "WAV", subtype: str | None = None) -> str:
    """Whatever the name says, the kind decides; the name."""
    soundfile.write(path, samples, rate, format=kind, subtype=subtype)
    return path.name


def read(folder, name: str, **settings) -> np.ndarray:
    return AudioModality(**{"rate_hz": RATE, "store": "float32", **settings}).read(name, folder)


def pitch_hz(wave: np.ndarray, rate: int = RATE) -> float:
    """The loudest frequency."""
    return float(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * rate / len(wave))


@pytest.mark.parametrize(
    ("kind", "subtype"), [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("FLAC", None), ("OGG", None), ("MP3", None)]
)
def test_the_content_decides_what_a_file_is(tmp_path, kind, subtype):
    name = write(tmp_path / "sound.raw", tone(rate=16000), rate=16000, kind=kind, subtype=subtype)

    wave = read(tmp_path, name)

    assert len(wave) == RATE // 2
    assert pitch_hz(wave) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 192_000])
def test_every_rate_becomes_one(tmp_path, rate):
    wave = read(tmp_path, write(tmp_path / "a.wav", tone(1000, rate=rate), rate=rate))

    assert len(wave) == pytest.approx(RATE / 2, abs=1)
    assert pitch_hz(wave) == pytest.approx(1000, abs=3)
    assert np.abs(wave[500:-500]).max() == pytest.approx(0.5, abs=0.01)


def test_what_the_new_rate_cannot_hold_is_taken_out_not_folded_back(tmp_path):
    wave = read(tmp_path, write(tmp_path / "a.wav", tone(15_000, rate=44_100), rate=44_100))

    assert np.abs(wave[500:-500]).max() < 0.01


def test_eight_channels_become_their_mean(tmp_path):
    channels = np.stack([tone() * weight for weight in (1, 0, 0, 1, 0, 0, 0, 2)], 1) / 4

    wave = read(tmp_path, write(tmp_path / "a.wav", channels, subtype="FLOAT"))

    np.testing.assert_allclose(wave, tone() / 8, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 192_000])
def test_one_sample_is_a_sound(tmp_path, rate):
    wave = read(tmp_path, write(tmp_path / "a.wav", np.array([0.25]), rate=rate), highpass_hz=50.0)

    assert len(wave) == 1
    assert np.isfinite(wave).all()


def test_a_long_sound_is_cut(tmp_path):
    name = write(tmp_path / "a.wav", tone(seconds=2, rate=16000), rate=16000)

    assert len(read(tmp_path, name, max_seconds=0.25)) == RATE / 4


def test_a_sound_louder_than_full_scale_is_turned_down_as_a_whole(tmp_path):
    name = write(tmp_path / "a.wav", 8 * tone(), subtype="FLOAT")

    wave = read(tmp_path, name)
    stored = read(tmp_path, name, store="int16")

    np.testing.assert_allclose(wave, 2 * tone(), atol=1e-2)
    assert stored.dtype == np.int16
    np.testing.assert_allclose(stored / 32767, wave, atol=1e-4)


def test_what_is_stored_in_16_bits_is_what_was_in_the_file(tmp_path):
    samples = np.arange(-32767, 32767, 7, dtype=np.int16)

    np.testing.assert_allclose(read(tmp_path, write(tmp_path / "a.wav", samples), store="int16"), samples, atol=1)


@pytest.mark.parametrize(
    ("settings", "heard"),
    [
        ({"highpass_hz": 500.0}, [False, True, True]),
        ({"lowpass_hz": 2000.0}, [True, True, False]),
        ({"highpass_hz": 500.0, "lowpass_hz": 2000.0}, [False, True, False]),
    ],
)
def test_filters_leave_their_band(tmp_path, settings, heard):
    name = write(tmp_path / "a.wav", (tone(100) + tone(1000) + tone(3500)) / 3)

    wave = read(tmp_path, name, **settings)[800:-800]

    strength = np.abs(np.fft.rfft(wave)) / len(wave)
    found = [strength[round(hz * len(wave) / RATE)] > 0.03 for hz in (100, 1000, 3500)]
    assert found == heard


def test_a_filter_delays_nothing(tmp_path):
    click = np.zeros(2000)
    click[1000] = 0.5

    wave = read(tmp_path, write(tmp_path / "a.wav", click), lowpass_hz=1000.0)

    assert wave.argmax() == 1000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lowpass_hz": 4000.0}, r"lowpass_hz must be below 4000, half of the sampling rate"),
        ({"highpass_hz": 5000.0}, r"highpass_hz must be below 4000"),
        ({"highpass_hz": 900.0, "lowpass_hz": 800.0}, r"highpass_hz \(900\) must be below lowpass_hz \(800\)"),
        (
            {"highest_hz": 5000.0},
            r"lowest_hz \(50\) to highest_hz \(5000\), at most half of the sampling rate \(4000\)",
        ),
        ({"mels": 400}, r"400 mel bands .* some hear nothing .* Set fewer mels, or a longer window_s"),
    ],
)
def test_settings_that_do_not_go_with_the_rate_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        AudioModality(rate_hz=RATE, **settings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.wav: is empty \(0 bytes\)"),
        (b"RIFF", r"a\.wav: cannot be read as a sound"),
        (b"just some text" * 99, r"a\.wav: cannot be read as a sound: .*WAV, FLAC, OGG and MP3 can"),
    ],
)
def test_what_is_no_sound_is_told_by_name(tmp_path, content, message):
    (tmp_path / "a.wav").write_bytes(content)

    with pytest.raises(DataError, match=message):
        read(tmp_path, "a.wav")


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", None), ("AIFF", None), ("AU", None), ("FLAC", None)])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_file_that_is_cut_off_is_told(tmp_path, kind, subtype, share):
    name = write(tmp_path / "a.wav", tone(), kind=kind, subtype=subtype)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(DataError, match=r"a\.wav: (is cut off|cannot be read)"):
        read(tmp_path, name)


@pytest.mark.parametrize("kind", ["MP3", "OGG"])
def test_a_compressed_file_that_is_cut_off_is_told(tmp_path, kind):
    name = write(tmp_path / "a.wav", tone(seconds=3), kind=kind)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DataError, match=r"a\.wav"):
        read(tmp_path, name)


@pytest.mark.parametrize("tag", [b"", b"ID3\x04\x00\x00\x00\x00\x27\x08" + b"Xing" * 1250])
def test_an_mp3_that_does_not_tell_its_length_is_whole(tmp_path, tag):
    """What is soft needs few bits at a variable rate: the length that is guessed by the first frames is too high."""
    sound = np.concatenate([np.zeros(RATE), np.random.default_rng(0).uniform(-0.5, 0.5, RATE)])
    soundfile.write(tmp_path / "a.mp3", sound, RATE, bitrate_mode="VARIABLE")
    content = (tmp_path / "a.mp3").read_bytes()
    assert b"Xing" in content[:40]
    (tmp_path / "a.mp3").write_bytes(tag + content[content.index(content[:2], 4) :])

    assert len(read(tmp_path, "a.mp3")) >= 2 * RATE


def test_an_mp3_behind_a_tag_that_tells_its_length_and_is_cut_off_is_told(tmp_path):
    name = write(tmp_path / "a.wav", tone(seconds=3), kind="MP3")
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(b"ID3\x04\x00\x00\x00\x00\x27\x08" + bytes(5000) + whole[: len(whole) // 2])

    with pytest.raises(DataError, match=r"a\.wav: is cut off"):
        read(tmp_path, name)


def test_a_file_written_as_a_stream_is_whole(tmp_path):
    """Who writes to a pipe cannot go back and fill the length in."""
    name = write(tmp_path / "a.wav", tone())
    content = bytearray((tmp_path / name).read_bytes())
    for start in (4, content.index(b"data") + 4):
        content[start : start + 4] = b"\xff\xff\xff\xff"
    (tmp_path / name).write_bytes(content)

    assert len(read(tmp_path, name)) == RATE // 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_told(tmp_path, bad):
    name = write(tmp_path / "a.wav", np.where(np.arange(800) == 5, bad, 0.1), subtype="FLOAT")

    with pytest.raises(DataError, match=r"a\.wav: holds samples that are not finite"):
        read(tmp_path, name)


def test_no_samples_are_told(tmp_path):
    with pytest.raises(DataError, match=r"a\.wav: holds no samples"):
        read(tmp_path, write(tmp_path / "a.wav", np.zeros(0)))


@pytest.mark.parametrize("name", ["nowhere.wav", "."])
def test_a_file_that_is_not_there_is_told(tmp_path, name):
    with pytest.raises(DataError, match=r"cannot be read: (no such file|is a directory)"):
        read(tmp_path, name)
