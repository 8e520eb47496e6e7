"""Write tables, and deal groups to splits."""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def write_table(path: Path, rows: Sequence[Row]) -> Path:
    """CSV, or JSON lines where the name ends so; the columns are those of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file as texts."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def place_of(group: str, seed: int = 0) -> float:
    """A number in [0, 1) that only the group and the seed decide: more rows do not move a group."""
    # Not the words that mmcore/data/split.py hashes: the groups it would cut out for validation would all be taken.
    digest = hashlib.sha256(f"held out {seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def held_out(groups: Iterable[str], *, count: int, seed: int = 0) -> set[str]:
    """`count` of the different groups, the first by their places."""
    return set(sorted(set(groups), key=lambda group: place_of(group, seed))[:count])


def fold_of(groups: Iterable[str], *, folds: int, seed: int = 0) -> dict[str, int]:
    """Each group's fold; folds differ by one group at most."""
    ordered = sorted(set(groups), key=lambda group: place_of(group, seed))
    return {group: number % folds for number, group in enumerate(ordered)}


def fold_columns(fold: int, *, folds: int) -> dict[str, str]:
    """`fold_0` to `fold_N`: each says `test` for the rows of that fold and `train` for all others."""
    return {f"fold_{number}": "test" if number == fold else "train" for number in range(folds)}
