"""COCO captions."""

import json
from pathlib import Path

import pytest
from mm_sources.annotations import CocoCaptionsSource
from mm_sources.annotations.files import split_named

from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.source import BrokenRow
from mmcore.testing import SourceContract

IMAGES = [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3)]
ANNOTATIONS = [
    {"id": 7, "image_id": 1, "caption": " A cat. "},
    {"id": 9, "image_id": 2, "caption": "一只狗"},
    {"id": 8, "image_id": 1, "caption": "It sleeps."},
]
SETTINGS = {"folder": "coco", "annotations": "captions_val2017.json", "images": "val2017"}


def write(folder: Path, *, name="captions_val2017.json", text=None, **changed) -> CocoCaptionsSource:
    """Three pictures; two captions of the first, one of the second, none of the third."""
    (folder / "coco").mkdir(exist_ok=True)
    whole = {"images": IMAGES, "annotations": ANNOTATIONS, **changed}
    (folder / "coco" / name).write_text(json.dumps(whole) if text is None else text, encoding="utf-8")
    return CocoCaptionsSource(**{**SETTINGS, "folder": str(folder / "coco"), "annotations": name})


class TestCocoCaptions(SourceContract):
    name = "coco-captions"

    def source_settings(self, folder: Path):
        write(folder)
        return SETTINGS

    def broken_in(self, folder: Path):
        write(folder, name="half.json", text='{"images": [')
        write(folder, name="list.json", text="[]")
        write(folder, name="empty.json", text="")
        write(folder, name="nameless.json", images=[{"id": 1}])
        write(folder, name="strange.json", annotations=["a cat"])
        names = ("nowhere", "half", "list", "empty", "nameless", "strange")
        return [{**SETTINGS, "annotations": f"{name}.json"} for name in names]


def test_a_row_is_a_caption_with_its_picture_and_split(tmp_path):
    first, second, third, _ = write(tmp_path).rows()
    assert first == {"id": "7", "image": "val2017/1.jpg", "caption": "A cat.", "image_id": 1, "split": "validation"}
    assert (second["caption"], third["image_id"]) == ("一只狗", 1)


def test_an_image_with_no_caption_is_a_row_without_one(tmp_path):
    *_, last = write(tmp_path).rows()
    assert last == {"id": "image-3", "image": "val2017/3.jpg", "caption": None, "image_id": 3, "split": "validation"}
    assert not isinstance(last, BrokenRow)


def test_a_caption_of_an_unknown_image_is_broken_with_the_place(tmp_path):
    found = list(write(tmp_path, annotations=[*ANNOTATIONS, {"id": 5, "image_id": 99, "caption": "?"}]).rows())
    broken = [row for row in found if isinstance(row, BrokenRow)]
    assert [row["id"] for row in broken] == ["5"]
    assert broken[0].reason == "captions_val2017.json: annotations[3] is of image 99, which is not among its images"


def test_several_files_may_have_a_folder_each(tmp_path):
    write(tmp_path, name="captions_train2017.json", annotations=[])
    write(tmp_path)
    both = ("captions_train2017.json", "captions_val2017.json")
    source = CocoCaptionsSource(folder=str(tmp_path / "coco"), annotations=both, images=("train2017", "val2017"))
    found = list(source.rows())
    assert [row["split"] for row in found] == ["train"] * 3 + ["validation"] * 4
    assert {row["image"].split("/")[0] for row in found if row["split"] == "train"} == {"train2017"}
    with pytest.raises(ConfigError, match="images has 3 entries for 2 files"):
        list(CocoCaptionsSource(folder="coco", annotations=both, images=("a", "b", "c")).rows())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"images": [],\n "annotations": [}',
            r"captions_val2017.json: line 2, column 18 \(character 33\) is not JSON",
        ),
        ("", "line 1, column 1"),
        ('{"images": []}', "a list 'annotations', but it holds images"),
        ('{"images": [3]}', r"images\[0\] must be an object but is '3'"),
        ('{"images": [{"id": "1", "file_name": "a"}]}', r"images\[0\] has '1' as 'id'; it must be a int"),
        ('{"images": [{"id": 1}]}', r"images\[0\] has no 'file_name'"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_with_the_file_is_told_with_its_place(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        list(write(tmp_path, text=text).rows())


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match=r"captions.json: there is no such file"):
        list(CocoCaptionsSource(folder=str(tmp_path), annotations="captions.json").rows())


def test_bytes_that_are_no_utf_8_are_told(tmp_path):
    source = write(tmp_path)
    (tmp_path / "coco" / "captions_val2017.json").write_bytes(b'{"\xff": 1}')
    with pytest.raises(DataError, match="byte 3 is not UTF-8"):
        list(source.rows())


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("captions_val2017", "validation"),
        ("v2_OpenEnded_mscoco_test-dev2015_questions", "test"),
        ("captions-trainval", "train"),
        ("trainImages", "train"),
        ("dev_captions", "validation"),
        ("captions_devices", None),
        ("values", None),
        ("VALUES", None),
        ("testset", "test"),
        ("TrainData", "train"),
        ("contest", None),
        ("my_testimonials", None),
    ],
)
def test_a_split_is_a_whole_word_of_a_name(name, split):
    assert split_named(name) == split
