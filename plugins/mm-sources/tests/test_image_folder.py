"""A folder for each class."""

from pathlib import Path

import pytest
from mm_sources.annotations import ImageFolderSource

from mmcore.errors import DataError
from mmcore.testing import SourceContract


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


class TestImageFolder(SourceContract):
    name = "image-folder"

    def source_settings(self, folder: Path):
        write(folder / "pets", "dog/1.png", "cat/1.JPG", "cat/deep/2.jpeg", "cat/notes.txt", "cat/.hidden.png")
        return {"folder": "pets"}

    def broken_in(self, folder: Path):
        write(folder, "flat/1.png", "textual/dog/1.txt")
        return [{"folder": name} for name in ("nowhere", "flat", "textual")]


def test_the_label_is_the_folder_and_rows_are_sorted(tmp_path):
    write(tmp_path, "dog/1.png", "cat/b.JPG", "cat/deep/a.jpeg", "cat/notes.txt")
    found = [tuple(row.values()) for row in ImageFolderSource(folder=str(tmp_path)).rows()]
    assert found == [("cat/b.JPG", "cat", None), ("cat/deep/a.jpeg", "cat", None), ("dog/1.png", "dog", None)]


@pytest.mark.parametrize("hidden", ["cat/.1.png", ".git/x/1.png", "cat/.ipynb_checkpoints/1.png", "cat/a/.b/c/1.png"])
def test_what_is_hidden_or_lies_in_a_hidden_folder_is_left_out(tmp_path, hidden):
    write(tmp_path / ".home", "cat/1.png", hidden)
    assert [row["path"] for row in ImageFolderSource(folder=str(tmp_path / ".home")).rows()] == ["cat/1.png"]


def test_folders_called_like_splits_are_splits(tmp_path):
    write(tmp_path, "train/dog/1.png", "train/cat/2.png", "val/dog/3.png", "test/cat/4.png")
    found = [(row["label"], row["split"]) for row in ImageFolderSource(folder=str(tmp_path)).rows()]
    assert found == [("cat", "test"), ("cat", "train"), ("dog", "train"), ("dog", "validation")]


def test_a_split_without_classes_has_files_without_a_label(tmp_path):
    write(tmp_path, "train/dog/1.png", "train/cat/2.png", "test/3.png")
    found = [tuple(row.values()) for row in ImageFolderSource(folder=str(tmp_path)).rows()]
    assert found[0] == ("test/3.png", None, "test")
    assert [row[1:] for row in found[1:]] == [("cat", "train"), ("dog", "train")]


def test_classes_that_happen_to_be_called_like_splits_stay_classes(tmp_path):
    write(tmp_path, "train/1.png", "test/2.png", "dog/deep/3.png")
    found = [(row["label"], row["split"]) for row in ImageFolderSource(folder=str(tmp_path)).rows()]
    assert found == [("dog", None), ("test", None), ("train", None)]


def test_classes_beside_splits_are_told(tmp_path):
    write(tmp_path, "train/a/1.png", "dog/2.png")
    with pytest.raises(DataError, match=r"'train' is a split with classes inside, but 'dog' is none"):
        list(ImageFolderSource(folder=str(tmp_path)).rows())


def test_other_files_may_be_taken(tmp_path):
    write(tmp_path, "bark/1.wav", "bark/2.png", "meow/1.WAV")
    found = [row["path"] for row in ImageFolderSource(folder=str(tmp_path), endings=(".wav",)).rows()]
    assert found == ["bark/1.wav", "meow/1.WAV"]


def test_a_class_without_files_is_told(tmp_path):
    write(tmp_path, "cat/1.png")
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match=r"class 'dog' has no file that ends in .jpg"):
        list(ImageFolderSource(folder=str(tmp_path)).rows())
