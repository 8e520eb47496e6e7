"""VQA-RAD: questions about radiology images, closed (yes or no, mostly) and open."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from realdata.archives import unpacked
from realdata.tables import fold_columns, fold_of, write_table

FOLDS = 5
IMAGES = "dev/VQA_RAD Image Folder"


def prepare(data: Path, cache: Path) -> None:
    """rows.csv: image, question, answer, kind (closed or open), organ, group, fold_0..4."""
    folder = unpacked("vqa_rad", data=data, cache=cache)
    records = json.loads((folder / "dev" / "trainset.json").read_text(encoding="utf-8"))
    groups = groups_of(records)
    folds = fold_of(groups, folds=FOLDS)
    rows = [
        {
            "image": f"{IMAGES}/{record['image_name']}",
            "question": str(record["question"]).strip(),
            "answer": plain(record["answer"]),
            "kind": record["answer_type"].strip().lower(),
            "organ": record["image_organ"].strip().lower(),
            "group": group,
            **fold_columns(folds[group], folds=FOLDS),
        }
        for record, group in zip(records, groups, strict=True)
    ]
    write_table(folder / "rows.csv", rows)


def groups_of(records: Sequence[dict[str, Any]]) -> list[str]:
    """A name for each record that those on the same image share, and those that paraphrase each other."""
    parent = dict[str, str]()

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for record in records:
        ends = sorted((root(f"image {record['image_name']}"), root(f"question {record['qid_linked_id']}")))
        parent[ends[1]] = ends[0]
    return [root(f"image {record['image_name']}") for record in records]


def plain(answer: Any) -> str:
    """Small letters, one space between words, no full stop at the end."""
    return re.sub(r"\s+", " ", str(answer).strip().lower()).rstrip(".")
