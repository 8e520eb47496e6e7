"""Flickr8k."""

from pathlib import Path

import pytest
from mm_sources.annotations import Flickr8kSource

from mmcore.errors import DataError
from mmcore.testing import SourceContract

LINES = "".join(f"{name}.jpg#{number}\tA {name} , time {number} .\n" for name in "abcd" for number in range(2))


def write(folder: Path, tokens: str = LINES, **settings) -> Flickr8kSource:
    """Pictures a and e to train on, b and c in the other lists, d in none; e has no caption."""
    (folder / "flickr").mkdir(exist_ok=True)
    (folder / "flickr" / "Flickr8k.token.txt").write_text(tokens, encoding="utf-8")
    for part, names in (("train", "a.jpg\ne.jpg\n"), ("dev", "b.jpg\n"), ("test", "c.jpg\n")):
        (folder / "flickr" / f"Flickr_8k.{part}Images.txt").write_text(names)
    return Flickr8kSource(folder=str(folder / "flickr"), **settings)


class TestFlickr8k(SourceContract):
    name = "flickr8k"

    def source_settings(self, folder: Path):
        write(folder)
        return {"folder": "flickr"}

    def broken_in(self, folder: Path):
        write(folder)
        (folder / "flickr" / "bad.txt").write_text("a.jpg A cat\n")
        (folder / "flickr" / "latin.txt").write_bytes(b"a.jpg#0\t\xe9\n")
        wrong = [{"tokens": "nowhere.txt"}, {"tokens": "bad.txt"}, {"tokens": "latin.txt"}, {"train": "nowhere.txt"}]
        return [{"folder": "flickr", **changed} for changed in wrong]


def test_a_row_is_a_caption_with_its_picture_and_split(tmp_path):
    first, *_ = write(tmp_path).rows()
    assert first == {
        "id": "a.jpg#0",
        "image": "Flicker8k_Dataset/a.jpg",
        "caption": "A a , time 0 .",
        "name": "a.jpg",
        "split": "train",
    }


def test_pictures_in_no_list_are_left_out_and_those_without_a_caption_are_rows_without_one(tmp_path):
    found = list(write(tmp_path).rows())
    assert [row["name"] for row in found] == ["a.jpg", "a.jpg", "b.jpg", "b.jpg", "c.jpg", "c.jpg", "e.jpg"]
    assert found[-1]["caption"] is None
    assert [row["split"] for row in found[2:5]] == ["validation", "validation", "test"]


def test_without_lists_every_picture_is_there(tmp_path):
    found = list(write(tmp_path, train=None, validation=None, test=None).rows())
    assert {row["name"] for row in found} == {"a.jpg", "b.jpg", "c.jpg", "d.jpg"}
    assert {row["split"] for row in found} == {None}


def test_the_tokens_as_kaggle_has_them_are_read_too(tmp_path):
    text = 'image,caption\na.jpg,"A dog , and a cat ."\na.jpg,It runs .\n'
    first, second, *_ = write(tmp_path, text).rows()
    assert (first["caption"], second["id"]) == ("A dog , and a cat .", "a.jpg#1")
    with pytest.raises(DataError, match="line 2 must be NAME,CAPTION"):
        list(write(tmp_path, "image,caption\na.jpg\n").rows())


def test_blank_lines_are_passed_over(tmp_path):
    text = "image,caption\n\na.jpg,A dog .\n  \nb.jpg,A cat .\n\n"
    found = [row["caption"] for row in write(tmp_path, text).rows()]
    assert found[:2] == ["A dog .", "A cat ."]


@pytest.mark.parametrize("line", ["a.jpg\tno number", "a.jpg#0 no tab", "a.jpg#x\tno number", "#"])
def test_a_line_that_is_none_is_told_with_its_number(tmp_path, line):
    with pytest.raises(DataError, match=r"Flickr8k.token.txt: line 9 must be NAME#NUMBER, a tab"):
        list(write(tmp_path, LINES + line + "\n").rows())


def test_a_picture_in_two_lists_is_told(tmp_path):
    source = write(tmp_path)
    (tmp_path / "flickr" / "Flickr_8k.testImages.txt").write_text("c.jpg\na.jpg\n")
    with pytest.raises(DataError, match=r"testImages.txt: line 2: a.jpg is in the train list too"):
        list(source.rows())


def test_a_missing_list_says_how_to_do_without(tmp_path):
    source = write(tmp_path, test="nowhere.txt")
    with pytest.raises(DataError, match=r"data\.source\.test: null"):
        list(source.rows())
