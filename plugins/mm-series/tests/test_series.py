"""What is special about the series modality."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mm_series.modality import SeriesModality
from mm_series.modality.statistics import Statistics
from mm_series.modality.steps import averaged, resampled, sketched

from mmcore.errors import ConfigError, DataError

NAN = math.nan


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three recordings of two channels, of 2, 3 and 5 steps, with a hole."""
    np.save(tmp_path / "a.npy", np.array([[1.0, 10.0], [3.0, 30.0]]))
    np.save(tmp_path / "b.npy", np.array([[5.0, NAN], [7.0, 20.0], [9.0, 40.0]]))
    (tmp_path / "c.csv").write_text("time,x,y\n0,2,50\n1,4,\n2,6,60\n3,8,70\n4,0,80\n")
    return tmp_path


def npy(array) -> bytes:
    """As np.save writes it."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def fitted(folder, *cells, **settings) -> SeriesModality:
    made = SeriesModality(**settings)
    made.fit(cells or ["a.npy", "b.npy"], folder)
    return made


def test_each_channel_is_standardised_by_all_steps_of_all_training_files(folder):
    modality = fitted(folder)
    values = np.concatenate([modality.read(cell, folder) for cell in ("a.npy", "b.npy")])
    for channel in (0, 1):
        known = values[values[:, channel, 1] > 0, channel, 0]
        assert known.mean() == pytest.approx(0, abs=1e-6)
        assert known.std() == pytest.approx(1, abs=1e-6)


def test_a_channel_that_never_changes_is_not_divided_by_a_rounding_error(tmp_path):
    for name, steps in (("a", 3), ("b", 1000), ("c", 100_000)):
        np.save(tmp_path / f"{name}.npy", np.stack([np.full(steps, 0.1), 1e9 + np.arange(steps) % 2], 1))
    np.save(tmp_path / "new.npy", np.array([[0.3, 1e9]]))
    values = fitted(tmp_path, "a.npy", "b.npy", "c.npy").read("new.npy", tmp_path)
    np.testing.assert_allclose(values[0, :, 0], [0.2, -1], rtol=1e-3)


def test_a_missing_value_is_the_mean_and_says_so(folder):
    assert fitted(folder).read("b.npy", folder)[0, 1].tolist() == [0, 0]


def test_numbers_may_stay_as_they_are(folder):
    assert fitted(folder, standardise=False).read("a.npy", folder)[..., 0].tolist() == [[1, 10], [3, 30]]


def test_one_channel_may_be_a_plain_row(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4))
    modality = fitted(tmp_path, "a.npy")
    assert modality.facts()["channels"] == 1
    assert modality.read("a.npy", tmp_path).shape == (4, 1, 2)


def test_channels_may_come_first(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 7)))
    assert fitted(tmp_path, "a.npy", channels_first=True).read("a.npy", tmp_path).shape == (7, 2, 2)


def test_a_plain_row_is_one_channel_wherever_channels_stand(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4))
    assert fitted(tmp_path, "a.npy", channels_first=True).read("a.npy", tmp_path).shape == (4, 1, 2)


def test_channels_of_a_csv_are_chosen_by_name(folder):
    modality = fitted(folder, "c.csv", columns=("y", "x"), standardise=False)
    assert modality.facts() == {"channels": 2, "names": ("y", "x"), "max_steps": 1024}
    assert modality.read("c.csv", folder)[0, :, 0].tolist() == [50, 2]
    with pytest.raises(DataError, match=r"c.csv: there is no channel 'z'. There is: time, x, y"):
        SeriesModality(columns=("z",))._recording("c.csv", folder)


def test_columns_that_are_not_chosen_may_hold_anything(tmp_path):
    (tmp_path / "a.csv").write_text("time,x,y\n2020-01-01,2,inf\n2020-01-02,4,5\n")
    values = fitted(tmp_path, "a.csv", columns=("x",), standardise=False).read("a.csv", tmp_path)
    assert values[..., 0].tolist() == [[2], [4]]
    with pytest.raises(DataError, match="step 1, channel 'y' is infinite"):
        SeriesModality(columns=("x", "y"))._recording("a.csv", tmp_path)


def test_channels_of_a_npy_are_chosen_by_number(folder):
    modality = fitted(folder, "a.npy", columns=("1",), standardise=False)
    assert modality.read("a.npy", folder)[..., 0].tolist() == [[10], [30]]


def test_named_channels_may_come_in_another_order(folder):
    (folder / "turned.csv").write_text("y,time,x\n50,0,2\n")
    modality = fitted(folder, "c.csv", standardise=False)
    assert modality.read("turned.csv", folder)[0, :, 0].tolist() == [0, 2, 50]
    (folder / "others.csv").write_text("y,time,z\n50,0,2\n")
    with pytest.raises(DataError, match=r"channels are time, y, z, those of the training split time, x, y"):
        modality.read("others.csv", folder)


def test_a_file_of_other_channels_is_told_with_both_numbers(folder):
    with pytest.raises(DataError, match=r"c.csv: it has 3 channels, the training split's files have 2"):
        fitted(folder).read("c.csv", folder)


def test_files_of_fewer_channels_do_not_decide_what_the_channels_are(folder):
    np.save(folder / "odd.npy", np.zeros((3, 9)))
    assert fitted(folder, "odd.npy", "a.npy", "b.npy").facts()["channels"] == 2


def test_names_of_few_files_do_not_decide_which_channels_there_are(tmp_path):
    for number, names in enumerate(["a,b", "x,y", "y,x", "1,2"]):  # the last has none
        (tmp_path / f"{number}.csv").write_text(f"{names}\n1,2\n3,4\n")
    modality = fitted(tmp_path, *(f"{number}.csv" for number in range(4)), standardise=False)
    assert modality.facts()["names"] == ("x", "y")
    assert modality.read("2.csv", tmp_path)[0, :, 0].tolist() == [2, 1]
    assert modality.read("3.csv", tmp_path)[0, :, 0].tolist() == [1, 2]
    with pytest.raises(DataError, match=r"0.csv: its channels are a, b"):
        modality.read("0.csv", tmp_path)


def test_files_without_names_count_to_the_commonest_names(tmp_path):
    for name, content in (("a", "9,9\n9,9\n"), ("b", "x,y\n0,0\n"), ("c", "x,y\n0,0\n"), ("d", "u,v\n7,7\n")):
        (tmp_path / f"{name}.csv").write_text(content)
    found = fitted(tmp_path, "a.csv", "d.csv", "b.csv", "c.csv")._learned
    assert (found.names, found.files) == (("x", "y"), 3)
    np.testing.assert_allclose(found.mean, [4.5, 4.5])
    np.testing.assert_allclose(found.deviation, [4.5, 4.5])


@pytest.mark.parametrize(("keep", "first"), [("start", 2), ("end", 8)])
def test_long_series_are_cut_at_the_end_that_is_wished(folder, keep, first):
    modality = fitted(folder, "c.csv", columns=("x",), max_steps=2, keep=keep, standardise=False)
    assert modality.read("c.csv", folder)[0, 0, 0] == first
    assert modality.read("c.csv", folder).shape == (2, 1, 2)


def test_steps_are_averaged_without_what_is_missing():
    values = np.array([[1.0, NAN], [3.0, NAN], [NAN, 4.0], [5.0, 6.0], [9.0, 1.0]])
    np.testing.assert_array_equal(averaged(values, 2), [[2, NAN], [5, 5], [9, 1]])


@pytest.mark.parametrize("steps", [1, 2, 5, 9])
def test_a_line_resampled_is_a_line(steps):
    line = np.linspace(3, 7, 5)[:, None]
    found = resampled(line, steps)
    assert found.shape == (steps, 1)
    np.testing.assert_allclose(found[:, 0], np.linspace(3, 7, steps) if steps > 1 else [3])


def test_what_is_missing_stays_missing_when_resampled():
    found = resampled(np.array([[1.0, NAN], [NAN, NAN], [3.0, NAN]]), 5)
    np.testing.assert_array_equal(found[:, 0], [1, 1.5, NAN, 2.5, 3])
    assert np.isnan(found[:, 1]).all()


def test_statistics_file_by_file_are_those_of_all_steps():
    draw = np.random.default_rng(0)
    parts = [draw.normal(1e6, 3, (steps, 2)) for steps in (1, 5, 40)]
    parts[1][2, 0] = NAN
    found = Statistics()
    for part in parts:
        found = found.with_more(part, ())
    whole = np.concatenate(parts)
    np.testing.assert_allclose(found.mean, np.nanmean(whole, 0))
    np.testing.assert_allclose(found.deviation, np.nanstd(whole, 0))


def test_a_channel_that_never_changes_or_is_never_known_becomes_zero(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0.1, NAN, 1.0], [0.1, NAN, 2.0]]))
    found = fitted(tmp_path, "a.npy").read("a.npy", tmp_path)
    assert np.abs(found[:, :2, 0]).max() < 1e-6
    assert found[:, 1, 1].tolist() == [0, 0]


def test_huge_numbers_stay_finite(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1e200], [-1e300], [1.0]]))
    assert np.isfinite(np.float16(fitted(tmp_path, "a.npy").read("a.npy", tmp_path))).all()


def test_noise_leaves_what_is_missing_alone(folder):
    modality = fitted(folder, noise=0.5)
    field = modality.collate([modality.read("b.npy", folder)])
    found = modality.augment(field, torch.Generator().manual_seed(0)).values
    assert found[0, 0, 1].tolist() == [0, 0]
    assert not torch.equal(found, field.values)


def test_nothing_to_learn_from_is_told(tmp_path):
    with pytest.raises(DataError, match="none of the training split's files"):
        fitted(tmp_path, "nowhere.npy")


def test_why_none_of_the_files_can_be_read_is_told_of_the_first(tmp_path):
    (tmp_path / "a.csv").write_text("time,x\n2024-01-01,2\n")
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(DataError, match=r"read\. The first: .*a\.csv: line 2 holds '2024-01-01'"):
        fitted(tmp_path, "a.csv", "b.csv")
    with pytest.raises(DataError, match=r"none of the training split's files can be read\.$"):
        SeriesModality().fit([], tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"1,2\n3,many\n", "a.csv: line 2 holds 'many'"),
        ("a.csv", b"t,x,y\n1s,2,\n", r"holds '1s', which is no number. .* the others alone: columns: \['x', 'y'\]"),
        ("a.csv", b"x,y\n1,2\n3\n", "line 3 has 1 cells, the first line 2"),
        ("a.csv", b"x\n", "no step in it: 0 x 1"),
        ("a.csv", b"x\nNA\n", "every value is missing"),
        ("a.csv", b"1\ninf\n", "step 2, channel 1 is infinite"),
        ("a.csv", b"a\n1\n22\xe9\n", r"a.csv: line 3, byte 3 is not UTF-8 \(0xe9\). Save it as UTF-8"),
        ("a.csv", "时间,电压\n1,2\n".encode("gbk"), r"line 1, byte 3 is not UTF-8 \(0xbc\). Save it as UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "a.csv: the file is UTF-16. Save it as UTF-8"),
        ("a.wav", b"RIFF", "ending '.wav' is none of .npy"),
        ("a.npy", b"\x93NUMPY", "no .npy file of numbers"),
        ("a.npy", npy(np.zeros(0)), "no step in it: 0 x 1"),
        ("a.npy", npy(np.zeros(3)).replace(b"(3,)", b"(3, "), "no .npy file of numbers"),
        ("a.npy", npy(np.zeros(3)).replace(b"(3,)", b"(3))"), "no .npy file of numbers"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        SeriesModality()._recording(name, tmp_path)


@pytest.mark.parametrize("delimiter", [";;", "", '"', "\n"])
def test_a_delimiter_that_csv_knows_not_is_refused(delimiter):
    with pytest.raises(ConfigError, match="delimiter of the modality series must be one sign"):
        SeriesModality(delimiter=delimiter)


def test_pickled_arrays_are_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="allow_pickle=False"):
        SeriesModality()._recording("a.npy", tmp_path)


def test_a_sketch_has_a_colour_for_every_channel():
    values = np.stack([np.linspace(0, 1, 50), np.linspace(1, 0, 50)], 1)
    picture = sketched(values, np.ones((50, 2), dtype=bool))
    assert picture.shape == (64, 256, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 3


def test_a_sketch_joins_neighbours_and_leaves_a_gap_where_values_are_missing():
    values, known = np.array([[0.0], [1], [0], [1], [0], [1], [0]]), np.ones((7, 1), dtype=bool)
    known[3] = False
    drawn = (sketched(values, known, height=33, width=61) < 255).any(2)  # ten columns a step
    assert drawn[:, :21].any(0).all()
    assert not drawn[:, 21:40].any()
    assert drawn[:, 40:].any(0).all()
    assert drawn[:, :11].any(1).all()  # from the top to the bottom: no row is left out either


def test_a_known_step_between_missing_ones_is_a_dot():
    known = np.array([[False], [True], [False]])
    assert (sketched(np.ones((3, 1)), known) < 255).any(2).sum() == 1
    assert (sketched(np.ones((3, 1)), ~known) < 255).any(2).sum() == 2
