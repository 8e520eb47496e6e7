"""VQA v2: questions about COCO pictures with ten people's answers to each (Goyal et al. 2017, 1612.00837)."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mm_sources.annotations.files import OneOrMore, beside, listed, split_named
from mm_sources.annotations.json_file import entries, read_json, value
from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.source import BrokenRow, Row, Source

COLUMNS = ("id", "image", "question", "answer", "answers", "question_type", "answer_type", "image_id", "split")


class VQAv2Source(Source):
    """A row a question; `answer` is the most frequent of its ten `answers`, which are kept as a JSON list."""

    def __init__(
        self,
        *,
        folder: str,
        questions: OneOrMore,
        annotations: OneOrMore = (),
        images: OneOrMore = "images",
        file_name: str = "COCO_{subtype}_{image_id:012d}.jpg",
    ) -> None:
        """folder: of the set; the other paths lie inside. annotations: in the questions' order; (): no answers.

        images: folders. file_name: of a picture; subtype is what the questions' file says, as train2014.
        """
        self.folder, self.questions, self.annotations = Path(folder), questions, annotations
        self.images, self.file_name = images, file_name

    @property
    def base(self) -> Path:
        """The set's folder."""
        return self.folder

    @property
    def watch(self) -> Sequence[str]:
        """The set's folder."""
        return [str(self.folder)]

    def columns(self) -> Sequence[str]:
        """id, image, question, answer, answers, question_type, answer_type, image_id (the group), split."""
        return COLUMNS

    def rows(self) -> Iterator[Row]:
        """Every question. Raises DataError that names the file and the entry."""
        answers: Sequence[str | None] = listed(self.annotations)
        if not answers:
            answers = [None] * len(listed(self.questions))
        pairs = beside(self.questions, self.images, setting="images")
        if len(answers) != len(pairs):
            raise ConfigError(
                f"data.source.annotations has {len(answers)} files for {len(pairs)} of questions: give as many, or []."
            )
        for (questions, images), annotations in zip(pairs, answers, strict=True):
            yield from self._rows(self.folder / questions, images, annotations)

    def _rows(self, path: Path, images: str, annotations: str | None) -> Iterator[Row]:
        found = read_json(path)
        subtype = str(found.get("data_subtype", "")) if isinstance(found, Mapping) else ""
        split = split_named(subtype) or split_named(path.stem)
        asked = entries(found, "questions", path)
        answers = None if annotations is None else _answers(self.folder / annotations)
        numbers = [
            value(entry, "question_id", int, where=f"questions[{n}]", path=path) for n, entry in enumerate(asked)
        ]
        _check_known(answers or {}, numbers, path)
        for place, (number, entry) in enumerate(zip(numbers, asked, strict=True)):
            where = f"questions[{place}]"
            image = value(entry, "image_id", int, where=where, path=path)
            row = {
                "id": str(number),
                "image": f"{images}/{self._file(subtype, image)}",
                "question": value(entry, "question", str, where=where, path=path),
                **dict.fromkeys(("answer", "answers", "question_type", "answer_type")),
                "image_id": image,
                "split": split,
            }
            if answers is not None and number not in answers:
                yield BrokenRow(row, f"{annotations} has no answers to question {number}")
            else:
                yield {**row, **(answers or {}).get(number, {})}

    def _file(self, subtype: str, image: int) -> str:
        try:
            return self.file_name.format(subtype=subtype, image_id=image)
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigError(
                f"data.source.file_name is {self.file_name!r}, which cannot be filled in ({error}). It may name "
                "{subtype} and {image_id}, as in COCO_{subtype}_{image_id:012d}.jpg."
            ) from error


def most_frequent(answers: Sequence[str]) -> str | None:
    """The answer that most people gave; of several the first in the alphabet."""
    counts = Counter(answers)
    return min(counts, key=lambda answer: (-counts[answer], answer), default=None)


def _answers(path: Path) -> dict[int, dict[str, str | None]]:
    """Question -> what its annotation says."""
    answers = dict[int, dict[str, str | None]]()
    for number, entry in enumerate(entries(read_json(path), "annotations", path)):
        where = f"annotations[{number}]"
        given = [
            value(one, "answer", str, where=f"{where}.answers[{n}]", path=path)
            for n, one in enumerate(entries(entry, "answers", path))
        ]
        answers[value(entry, "question_id", int, where=where, path=path)] = {
            "answer": _text(entry, "multiple_choice_answer") or most_frequent(given),
            "answers": json.dumps(given, ensure_ascii=False),
            "question_type": _text(entry, "question_type"),
            "answer_type": _text(entry, "answer_type"),
        }
    return answers


def _check_known(answers: Mapping[int, Any], questions: Sequence[int], path: Path) -> None:
    unknown = set(answers).difference(questions)
    if unknown:
        raise DataError(
            f"{len(unknown)} annotations are of questions that it does not have, the first of {min(unknown)}. Do "
            "data.source.questions and data.source.annotations name files of one split?",
            path=path,
        )


def _text(entry: Mapping[str, Any], key: str) -> str | None:
    found = entry.get(key)
    return found if isinstance(found, str) else None
