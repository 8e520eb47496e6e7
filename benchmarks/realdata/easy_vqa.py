"""easy-VQA: a picture of one shape, a question, one of 13 answers."""

import json
from pathlib import Path

from realdata.archives import unpacked
from realdata.tables import held_out, write_table

TEST_IMAGES = 400


def prepare(data: Path, cache: Path) -> None:
    """rows.csv: image, question, answer, image_id, split (by image)."""
    folder = unpacked("easy_vqa", data=data, cache=cache)
    questions = json.loads((folder / "dev" / "train" / "questions.json").read_text(encoding="utf-8"))
    test = held_out((str(number) for _, _, number in questions), count=TEST_IMAGES)
    rows = [
        {
            "image": f"dev/train/images/{number}.png",
            "question": question,
            "answer": answer,
            "image_id": number,
            "split": "test" if str(number) in test else "train",
        }
        for question, answer, number in questions
    ]
    write_table(folder / "rows.csv", rows)
