"""easy-VQA: pictures of one shape, questions about it, one of 13 answers (Victor Zhou, MIT)."""

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from mmcore.errors import DataError
from mmcore.interfaces.source import Row, Source

COLUMNS = ("image", "question", "answer", "image_id", "split")


class EasyVQASource(Source):
    """Its training split, then its test split; `image_id` tells the pictures of both apart."""

    @property
    def base(self) -> Path:
        """The data folder inside the package easy-vqa. Raises DataError where the package is not installed."""
        spec = find_spec("easy_vqa")
        if spec is None or spec.origin is None:
            raise DataError("the package 'easy-vqa' is not installed. Run `pip install easy-vqa`.")
        return Path(spec.origin).parent / "data"

    @property
    def watch(self) -> Sequence[str]:
        """Nothing: the data lies in an installed package and changes with its version."""
        return []

    @property
    def version(self) -> str:
        """The package's."""
        return version("easy-vqa") if find_spec("easy_vqa") else ""

    def columns(self) -> Sequence[str]:
        """image, question, answer, image_id, split."""
        return COLUMNS

    def rows(self) -> Iterator[Row]:
        """48,248 questions. Raises DataError where the package is missing or not whole."""
        for split in ("train", "test"):
            path = self.base / split / "questions.json"
            try:
                questions = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise DataError(f"cannot be read: {error}. Install easy-vqa again.", path=path) from error
            for question, answer, number in questions:
                yield {
                    "image": f"{split}/images/{number}.png",
                    "question": question,
                    "answer": answer,
                    "image_id": f"{split}-{number}",
                    "split": split,
                }
