"""A folder of the library datasets."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from mm_sources.unpacked import HFDatasetSource, hf_dataset

from mmcore.errors import DataError, SetupError
from mmcore.interfaces.source import BrokenRow
from mmcore.testing import SourceContract

datasets = pytest.importorskip("datasets", reason="an optional library: pip install datasets")

PNG, WAV = b"\x89PNG one", b"RIFF....WAVE"
FILE = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
"""How a file is stored; given as Audio() at once it would want torchcodec."""
SETTINGS = {"folder": "set", "unpack_to": "unpacked"}


def made(**changed) -> "datasets.Dataset":
    """Two samples with a picture, a sound, a label, a list and a date."""
    columns = {
        "image": [{"bytes": PNG, "path": None}, None],
        "audio": [{"bytes": WAV, "path": "a/b.wav"}, {"bytes": b"fLaC", "path": None}],
        "label": [1, -1],
        "tags": [["x", "狗"], []],
        "day": [date(2024, 2, 29), None],
        "text": ["hello", None],
        **changed,
    }
    features = {
        "image": FILE,
        "audio": FILE,
        "label": datasets.ClassLabel(names=["cat", "dog"]),
        "tags": datasets.Sequence(datasets.Value("string")),
        "day": datasets.Value("date32"),
        "text": datasets.Value("string"),
    }
    found = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    return found.cast_column("image", datasets.Image()).cast_column("audio", datasets.Audio())


def write(folder: Path, found=None) -> HFDatasetSource:
    (found or made()).save_to_disk(str(folder / "set"))
    return HFDatasetSource(folder=str(folder / "set"), unpack_to=str(folder / "unpacked"))


@pytest.fixture(autouse=True)
def _quiet():
    datasets.disable_progress_bars()


class TestHFDataset(SourceContract):
    name = "hf-dataset"

    def source_settings(self, folder: Path):
        if not (folder / "set").exists():
            write(folder)
        return SETTINGS

    def broken_in(self, folder: Path):
        write(folder)
        (folder / "other").mkdir()
        (folder / "torn").mkdir()
        (folder / "torn" / "state.json").write_text("{")
        (folder / "torn" / "dataset_info.json").write_text("{")
        return [{**SETTINGS, "folder": name} for name in ("nowhere", "other", "torn")]


def test_values_become_cells(tmp_path):
    first, second = write(tmp_path).rows()
    assert first == {
        "image": "data/image/00000000.png",
        "audio": "data/audio/00000000.wav",
        "label": "dog",
        "tags": '["x", "狗"]',
        "day": "2024-02-29",
        "text": "hello",
    }
    assert second["audio"] == "data/audio/00000001.flac"
    assert [second[name] for name in ("image", "label", "day", "text")] == [None] * 4


def test_a_list_of_labels_is_a_list_of_their_names(tmp_path):
    labels = datasets.Sequence(datasets.ClassLabel(names=["joy", "恐"]))
    found = datasets.Dataset.from_dict({"labels": [[0, 1], [], None]}, features=datasets.Features({"labels": labels}))
    assert [row["labels"] for row in write(tmp_path, found).rows()] == ['["joy", "恐"]', "[]", None]


@pytest.mark.parametrize("kind", [datasets.Image, datasets.Audio])
def test_a_list_of_files_is_told_and_not_opened(tmp_path, kind):
    files = datasets.Features({"files": [FILE]})
    stored = datasets.Dataset.from_dict({"files": [[{"bytes": PNG, "path": None}]]}, features=files)
    source = write(tmp_path, stored.cast_column("files", datasets.Sequence(kind())))
    (row,) = source.rows()
    assert isinstance(row, BrokenRow)
    assert "column 'files' holds a list or a struct with bytes inside. A cell is one file" in row.reason


def test_files_are_where_the_cells_say(tmp_path):
    source = write(tmp_path)
    first, second = source.rows()
    assert (source.base / first["image"]).read_bytes() == PNG
    assert (source.base / second["audio"]).read_bytes() == b"fLaC"


def test_splits_are_a_column(tmp_path):
    source = write(tmp_path, datasets.DatasetDict({"train": made(), "validation": made()}))
    assert [row["split"] for row in source.rows()] == ["train"] * 2 + ["validation"] * 2
    found = [row["image"] for row in source.rows() if row["image"]]
    assert found == ["train/image/00000000.png", "validation/image/00000000.png"]


def test_a_column_that_is_called_split_does_not_hide_which_split_it_is(tmp_path):
    named = made().rename_column("text", "split")
    assert [row["split"] for row in write(tmp_path / "one", named).rows()] == ["hello", None]
    source = write(tmp_path / "two", datasets.DatasetDict({"train": named, "test": named}))
    with pytest.raises(DataError, match=r"the splits test, train, which become the column 'split'.*rename_column"):
        list(source.rows())


def test_a_decimal_is_a_number_and_a_duration_a_text(tmp_path):
    found = {"price": [Decimal("1.50"), None], "length": [timedelta(seconds=5), None]}
    features = {"price": datasets.Value("decimal128(5, 2)"), "length": datasets.Value("duration[ms]")}
    source = write(tmp_path, datasets.Dataset.from_dict(found, features=datasets.Features(features)))
    assert list(source.rows()) == [{"price": 1.5, "length": "0:00:05"}, {"price": None, "length": None}]


def test_a_file_that_the_set_only_names_is_found_or_told(tmp_path):
    path = tmp_path / "there.png"
    path.write_bytes(PNG)
    named = {"bytes": None, "path": str(path)}
    assert hf_dataset.cell_of(named, datasets.Image(), "data/image/0") == "data/image/0.png"
    path.unlink()
    with pytest.raises(DataError, match=r"there.png', which is not there"):
        hf_dataset.cell_of(named, datasets.Image(), "data/image/0")


def test_bare_bytes_say_what_to_do(tmp_path):
    source = write(tmp_path, datasets.Dataset.from_dict({"image": [PNG]}))
    (row,) = source.rows()
    assert isinstance(row, BrokenRow)
    assert "cast it to datasets.Image()" in row.reason


def test_a_folder_that_is_no_set_is_told(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.json").write_text(json.dumps({}))
    with pytest.raises(DataError, match="no set that save_to_disk wrote"):
        list(HFDatasetSource(folder=str(tmp_path / "set"), unpack_to="x").rows())


def test_a_missing_library_is_told_with_the_command_that_installs_it(tmp_path, monkeypatch):
    source = write(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(SetupError, match="pip install datasets"):
        list(source.rows())


def test_the_library_is_imported_only_when_a_set_is_read():
    imports = [
        line for line in Path(hf_dataset.__file__).read_text().splitlines() if line.startswith(("import", "from"))
    ]
    assert not [line for line in imports if "datasets" in line]
