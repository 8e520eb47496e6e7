"""Vectors of many things, kept on disk by content: what was embedded once is not embedded again."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from mmcore.data.writing import whole_file
from mmcore.errors import DataError, SetupError
from mmcore.interfaces.modality import Cell

VECTORS, LOCK = "vectors.npy", "vectors.lock"
WAIT_S = 30.0
"""For another search to add what it has: one that was stopped (Ctrl-Z) must not hold up an answer."""
NONE = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Thing:
    """Something that can be found."""

    name: str
    cell: Cell
    digest: str
    """Of its content: 64 letters."""
    path: Path | None = None
    """The file that it is."""

    def still(self) -> bool:
        """Whether it is there with the content that its digest is of."""
        return self.path is None or _digest_of(self.path) == self.digest


class Vectors:
    """A folder with `vectors.npy`: digests of contents, each with its vector or the word that it is broken.

    One file, so that digests and vectors belong together whoever else writes it. Searches at once embed beside each
    other and add what they have one by one.
    """

    def __init__(self, folder: Path) -> None:
        """folder: made where it is not there."""
        self._folder = folder
        self.unkept = ""
        """Why what was embedded could not be kept; it only has to be embedded anew."""

    def of(
        self, things: Sequence[Thing], embed: Callable[[Sequence[Thing]], Mapping[str, np.ndarray]]
    ) -> tuple[list[Thing], np.ndarray]:
        """The things that are not broken, and their vectors [things,D].

        embed: of things with different contents, by digest; what cannot be read is left out. It is broken for good
        where it still is what it was; what has gone or changed meanwhile is left out of this search alone.
        """
        rows, vectors = self._load()
        new = list({thing.digest: thing for thing in things if thing.digest not in rows}.values())
        if new:
            made = embed(new)
            broken = [thing.digest for thing in new if thing.digest not in made and thing.still()]
            self._add(made, broken)
            rows, vectors = _together(rows, vectors, made, broken)
        good = [thing for thing in things if rows.get(thing.digest, -1) >= 0]
        return good, vectors[[rows[thing.digest] for thing in good]]

    def _add(self, made: Mapping[str, np.ndarray], broken: Sequence[str]) -> None:
        """To what is kept by now: another search may have added to it meanwhile."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / LOCK, timeout=WAIT_S):
                self._save(*_together(*self._load(), made, broken))
        except (OSError, NotImplementedError, SetupError) as error:  # the second: a disk that knows no locks
            self.unkept = str(error)

    def _load(self) -> tuple[dict[str, int], np.ndarray]:
        """Each digest's row of the vectors [N,D], -1 where it is broken; nothing where nothing was kept."""
        try:
            kept = np.load(self._folder / VECTORS, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return {}, NONE
        if kept.dtype.names != ("digest", "broken", "vector"):
            return {}, NONE
        places = np.where(kept["broken"], -1, np.arange(len(kept))).tolist()
        rows = {digest.decode(): place for digest, place in zip(kept["digest"].tolist(), places, strict=True)}
        return rows, kept["vector"] if kept["vector"].size else NONE

    def _save(self, rows: Mapping[str, int], vectors: np.ndarray) -> None:
        width = vectors.shape[1]
        kept = np.zeros(len(rows), [("digest", "S64"), ("broken", bool), ("vector", np.float32, (width,))])
        places = np.array(list(rows.values()), dtype=np.int64)
        kept["digest"], kept["broken"] = list(rows), places < 0
        kept["vector"][places >= 0] = vectors[places[places >= 0]]
        with whole_file(self._folder / VECTORS) as part, part.open("wb") as file:
            np.save(file, kept)


def _together(
    rows: Mapping[str, int], vectors: np.ndarray, made: Mapping[str, np.ndarray], broken: Sequence[str]
) -> tuple[dict[str, int], np.ndarray]:
    """Rows and vectors with those of other contents behind them."""
    new = [digest for digest in made if rows.get(digest, -1) < 0]
    added = {digest: len(vectors) + place for place, digest in enumerate(new)}
    if new:
        behind = np.stack([made[digest] for digest in new]).astype(np.float32)
        vectors = np.concatenate([vectors, behind]) if len(vectors) else behind
    return {**dict.fromkeys(broken, -1), **rows, **added}, vectors


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


def files_in(folder: Path) -> tuple[list[Thing], int]:
    """Every file below a folder, in the order of paths, hidden ones left out; and how many cannot be read."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in found]
    things = [
        Thing(name, str(path), digest, path)
        for path, name in zip(found, names, strict=True)
        if not any(step.startswith(".") for step in name.split("/"))
        for digest in [_digest_of(path)]
    ]
    readable = [thing for thing in things if thing.digest]
    return readable, len(things) - len(readable)


def lines_of(path: Path) -> list[Thing]:
    """Every line of a text file that is not blank. Raises DataError where it is not UTF-8."""
    try:
        with path.open(encoding="utf-8-sig") as lines:  # `splitlines` would cut a text at U+2028 too
            texts = [line.strip() for line in lines]
    except UnicodeDecodeError as error:
        raise DataError("it is not UTF-8. Save it as UTF-8.", path=path) from error
    return [Thing(text, text, hashlib.sha256(text.encode()).hexdigest()) for text in _once(texts) if text]


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _digest_of(path: Path) -> str:
    """Empty where the file cannot be read, or has gone."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
