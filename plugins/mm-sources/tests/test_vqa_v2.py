"""VQA v2."""

import json
from pathlib import Path

import pytest
from mm_sources.annotations import VQAv2Source
from mm_sources.annotations.vqa_v2 import most_frequent

from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.source import BrokenRow
from mmcore.testing import SourceContract

QUESTIONS = [
    {"question_id": 10, "image_id": 4, "question": "what is it?"},
    {"question_id": 11, "image_id": 4, "question": "is it red?"},
]
ANNOTATIONS = [
    {
        "question_id": 11,
        "image_id": 4,
        "question_type": "is it",
        "answer_type": "yes/no",
        "multiple_choice_answer": "no",
        "answers": [{"answer": answer, "answer_id": number} for number, answer in enumerate(["no"] * 6 + ["yes"] * 4)],
    },
    {"question_id": 10, "image_id": 4, "answers": [{"answer": answer} for answer in ["dog"] * 4 + ["cat"] * 4]},
]
SETTINGS = {"folder": "vqa", "questions": "questions.json", "annotations": "annotations.json", "images": "val2014"}


def write(folder: Path, *, questions=QUESTIONS, annotations=ANNOTATIONS, **settings) -> VQAv2Source:
    """Two questions about one picture, with answers that people do not agree on."""
    (folder / "vqa").mkdir(exist_ok=True)
    asked = {"data_subtype": "val2014", "questions": questions}
    (folder / "vqa" / "questions.json").write_text(json.dumps(asked))
    (folder / "vqa" / "annotations.json").write_text(json.dumps({"annotations": annotations}))
    return VQAv2Source(**{**SETTINGS, "folder": str(folder / "vqa"), **settings})


class TestVQAv2(SourceContract):
    name = "vqa-v2"

    def source_settings(self, folder: Path):
        write(folder)
        return SETTINGS

    def broken_in(self, folder: Path):
        write(folder)
        (folder / "vqa" / "half.json").write_text('{"questions"')
        wrong = [{"questions": "nowhere.json"}, {"questions": "half.json"}, {"annotations": "half.json"}]
        return [{**SETTINGS, **changed} for changed in wrong]


class TestVQAv2WithoutAnswers(TestVQAv2):
    def source_settings(self, folder: Path):
        write(folder)
        return {**SETTINGS, "annotations": []}


def test_the_label_is_the_most_frequent_answer_and_all_ten_are_kept(tmp_path):
    _, red = write(tmp_path).rows()
    assert red["answer"] == "no"
    assert json.loads(red["answers"]) == ["no"] * 6 + ["yes"] * 4
    assert (red["question_type"], red["answer_type"], red["split"]) == ("is it", "yes/no", "validation")
    assert red["image"] == "val2014/COCO_val2014_000000000004.jpg"


def test_an_answer_that_the_file_does_not_name_is_counted(tmp_path):
    what, _ = write(tmp_path).rows()
    assert what["answer"] == "cat"


@pytest.mark.parametrize(("answers", "best"), [("bab", "b"), ("ba", "a"), ("", None)])
def test_of_equally_frequent_answers_the_first_in_the_alphabet_counts(answers, best):
    assert most_frequent(list(answers)) == best


def test_questions_without_a_file_of_answers_have_none(tmp_path):
    source = write(tmp_path)
    source.annotations = ()
    assert [(row["answer"], row["answers"]) for row in source.rows()] == [(None, None)] * 2


def test_a_question_that_the_annotations_forgot_is_broken(tmp_path):
    first, second = write(tmp_path, annotations=ANNOTATIONS[:1]).rows()
    assert isinstance(first, BrokenRow)
    assert first.reason == "annotations.json has no answers to question 10"
    assert not isinstance(second, BrokenRow)


def test_annotations_of_another_split_are_told(tmp_path):
    with pytest.raises(DataError, match=r"1 annotations are of questions .* the first of 10.*one split"):
        list(write(tmp_path, questions=QUESTIONS[1:]).rows())


def test_pictures_may_be_called_otherwise(tmp_path):
    source = write(tmp_path)
    source.file_name = "{image_id}.png"
    assert next(source.rows())["image"] == "val2014/4.png"
    source.file_name = "{number}.png"
    with pytest.raises(ConfigError, match=r"'\{number\}.png', which cannot be filled in.*\{image_id\}"):
        next(source.rows())


def test_files_must_come_in_pairs():
    source = VQAv2Source(folder="x", questions=("a.json", "b.json"), annotations="c.json")
    with pytest.raises(ConfigError, match="annotations has 1 files for 2"):
        list(source.rows())


def test_an_answer_without_a_text_is_told_with_its_place(tmp_path):
    wrong = [{"question_id": 10, "answers": [{"answer": "a"}, {"answer": 3}]}]
    with pytest.raises(DataError, match=r"annotations\[0\]\.answers\[1\] has '3' as 'answer'"):
        list(write(tmp_path, annotations=wrong).rows())
