"""Vectors of many things, kept on disk by content: what was embedded once is not embedded again."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmcore.data.writing import whole_file, write_json
from mmcore.interfaces.modality import Cell

VECTORS, CONTENTS = "vectors.npy", "contents.json"


@dataclass(frozen=True)
class Thing:
    """Something that can be found."""

    name: str
    cell: Cell
    digest: str
    """Of its content."""


class Vectors:
    """A folder with `vectors.npy` [N,D] and `contents.json`: digest of a content -> its row, -1 where it is broken."""

    def __init__(self, folder: Path) -> None:
        """folder: made where it is not there."""
        self._folder = folder

    def of(
        self, things: Sequence[Thing], embed: Callable[[Sequence[Thing]], Mapping[str, np.ndarray]]
    ) -> tuple[list[Thing], np.ndarray]:
        """The things that are not broken, and their vectors [things,D].

        embed: of things with different contents, by digest; what cannot be read is left out.
        """
        rows, vectors = self._load()
        new = list({thing.digest: thing for thing in things if thing.digest not in rows}.values())
        if new:
            made = embed(new)
            rows |= {thing.digest: -1 for thing in new} | {name: len(vectors) + n for n, name in enumerate(made)}
            parts = [np.asarray(vectors), np.stack(list(made.values()))] if made else [np.asarray(vectors)]
            self._save(rows, np.concatenate([part for part in parts if len(part)]) if any(map(len, parts)) else vectors)
            _, vectors = self._load()
        good = [thing for thing in things if rows[thing.digest] >= 0]
        return good, vectors[[rows[thing.digest] for thing in good]]

    def _load(self) -> tuple[dict[str, int], np.ndarray]:
        """Nothing where nothing was kept, or where the two files do not belong together."""
        try:
            kept = json.loads((self._folder / CONTENTS).read_text(encoding="utf-8"))
            vectors: np.ndarray = np.load(self._folder / VECTORS, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return {}, np.empty((0, 0), np.float32)
        rows: dict[str, int] = kept["rows"]
        return (rows, vectors) if kept["vectors"] == len(vectors) else ({}, vectors[:0])

    def _save(self, rows: Mapping[str, int], vectors: np.ndarray) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with whole_file(self._folder / VECTORS) as part, part.open("wb") as file:
            np.save(file, vectors.astype(np.float32))
        write_json(self._folder / CONTENTS, {"rows": dict(rows), "vectors": len(vectors)})


def nearest(vectors: np.ndarray, asked: np.ndarray, *, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of `vectors` [N,D] with the largest products with each of `asked` [Q,D]: rows and products [Q,top].

    Equally near ones come in the order of rows. Only those that may be among the first are sorted.
    """
    near = np.asarray(asked) @ np.asarray(vectors).T
    count = min(top, near.shape[1])
    rows = np.empty((len(near), count), dtype=np.int64)
    for number, products in enumerate(near):
        least = np.partition(products, len(products) - count)[len(products) - count]
        may = np.flatnonzero(products >= least)
        rows[number] = may[np.argsort(-products[may], kind="stable")[:count]]
    return rows, np.take_along_axis(near, rows, axis=1)


def files_in(folder: Path) -> list[Thing]:
    """Every file below a folder, in the order of paths; hidden ones are left out."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in found]
    visible = [
        (path, name)
        for path, name in zip(found, names, strict=True)
        if not any(p.startswith(".") for p in name.split("/"))
    ]
    return [Thing(name, str(path), _digest_of(path)) for path, name in visible]


def lines_of(path: Path) -> list[Thing]:
    """Every line of a text file that is not blank."""
    with path.open(encoding="utf-8") as lines:  # `splitlines` would cut a text at U+2028 too
        texts = [line.strip() for line in lines]
    return [Thing(text, text, hashlib.sha256(text.encode()).hexdigest()) for text in _once(texts) if text]


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
