"""Search: what of a folder, or of a list of texts, is nearest to a text or to a picture."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mmcore.errors import ConfigError, DataError, listing
from mmcore.interfaces.modality import Cell
from mmcore.predictor.predictor import Predictor
from mmcore.predictor.vectors import Thing, Vectors, files_in, lines_of, nearest

BATCH = 64


@dataclass(frozen=True)
class Found:
    """One thing, and how near it is: the cosine, at most 1."""

    name: str
    near: float


class Finder:
    """A model that aligns fields by twos, and the vectors of what was embedded so far."""

    def __init__(self, predictor: Predictor, *, task: str | None = None, cache: Path | None = None) -> None:
        """task: the one to find with; None: whichever aligns what is asked by. cache: where vectors are kept; None:
        in the user's folder for caches.

        Raises ConfigError where no task of the model aligns two fields, or the named one does not.
        """
        tasks = _aligning(predictor)
        if not tasks:
            raise ConfigError(
                f"nothing in this model aligns two fields, so that nothing can be found with it. Its tasks: "
                f"{listing(predictor.model.each_task())}. Train one with `tasks: {{pair: alignment}}`."
            )
        if task is not None and task not in tasks:
            raise ConfigError(f"{task!r} is no task of this model that aligns two fields: those are {listing(tasks)}.")
        self._predictor = predictor
        self._pairs = {name: predictor.model.each_task()[name].targets for name in ([task] if task else tasks)}
        self.fields = tuple(dict.fromkeys(name for pair in self._pairs.values() for name in pair))
        """What can be asked by, of all these tasks."""
        self._cache = (cache or _user_cache()) / predictor.digest
        self.broken = 0
        """Files of the last search that could not be read."""
        self.unkept = ""
        """Why what the last search embedded could not be kept."""

    def find(self, query: Mapping[str, Cell], within: Path, *, top: int = 10) -> list[Found]:
        """The `top` nearest things, nearest first.

        query: the cell of one of the fields. within: a folder of files for a field of files, a text file with a line
        each for a field of texts. top: from 1 on. Raises DataError where the query or the place cannot be read,
        ConfigError where several tasks align what is asked by.
        """
        if top < 1:
            raise ConfigError(f"top must be at least 1 but got {top}: it is how many to find.")
        ((field, cell),) = query.items()
        field = next((name for name in self._predictor.columns.get(field, ()) if name in self.fields), field)
        task, wanted = self._pair(field)
        asked = Thing("query", cell, "query")
        vector = self._embed(task, field, [asked], strict=True)["query"]
        things, unread = self._things(wanted, within)
        kept = Vectors(self._cache / task / wanted)
        good, vectors = kept.of(things, lambda new: self._embed(task, wanted, new))
        self.unkept, self.broken = kept.unkept, unread + len(things) - len(good)
        if not good:
            raise DataError(f"there is nothing in it that can be read as {wanted!r}.", path=within)
        rows, products = nearest(vectors, vector[None], top=top)
        return [Found(good[row].name, float(near)) for row, near in zip(rows[0], products[0], strict=True)]

    def by_text(self) -> str:
        """The field that a plain text asks by."""
        texts = [name for name in self.fields if not self._predictor.modalities[name].files]
        if len(texts) != 1:
            ways = listing(f"--{name} ..." for name in self.fields)
            raise ConfigError(f"say which field the question is of: {ways}.")
        return texts[0]

    def _pair(self, field: str) -> tuple[str, str]:
        """The task that aligns the field, and the field that it is aligned with."""
        others = {task: name for task, pair in self._pairs.items() if field in pair for name in pair if name != field}
        if not others:
            raise ConfigError(f"{field!r} is not what this model aligns: ask by {listing(self.fields)}.")
        if len(others) > 1:
            ways = listing(f"--task {task} finds {name!r}" for task, name in others.items())
            raise ConfigError(f"{len(others)} tasks of this model align {field!r}, say which one: {ways}.")
        return next(iter(others.items()))

    def _things(self, field: str, within: Path) -> tuple[list[Thing], int]:
        """What there is, and how many files cannot be opened."""
        if not within.exists():
            raise DataError("there is no such folder or file to look in.", path=within)
        if self._predictor.modalities[field].files:
            if not within.is_dir():
                raise DataError(f"to look for {field!r}, name a folder of files.", path=within)
            return files_in(within)
        if not within.is_file():
            raise DataError(f"to look for {field!r}, name a text file with one on each line.", path=within)
        return lines_of(within), 0

    def _embed(self, task: str, field: str, things: Sequence[Thing], *, strict: bool = False) -> dict[str, np.ndarray]:
        """A vector [D] by digest; strict: what cannot be read is an error, else it is left out."""
        found, modality = dict[str, np.ndarray](), self._predictor.modalities[field]
        for at in range(0, len(things), BATCH):
            read = dict[str, np.ndarray]()
            for thing in things[at : at + BATCH]:
                try:
                    read[thing.digest] = modality.read(thing.cell, Path())
                except DataError:
                    if strict:
                        raise
            if read:
                vectors = self._vectors(task, field, list(read.values()))
                found |= dict(zip(read, vectors, strict=True))
        return found

    def _vectors(self, task: str, field: str, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """[arrays,D]: what the task says of samples that have this field alone."""
        batch = self._predictor.batch([{field: array} for array in arrays])
        with torch.inference_mode():
            told = self._predictor.model.each_task()[task].predict(self._predictor.model(batch)[task])
        vectors: np.ndarray = told[field]
        return vectors


def _aligning(predictor: Predictor) -> list[str]:
    """The tasks with two fields for targets, both looked at, that give a vector of each, in one space; sorted."""
    model = predictor.model
    pairs = {
        name: task
        for name, task in sorted(model.each_task().items())
        if task.coupled and len(task.targets) == len(set(task.targets) & set(model.owners)) == 2
    }
    if not pairs:
        return []
    with torch.inference_mode():
        outputs = model(predictor.batch([{}]))  # what columns there are does not depend on the row: a blank one tells
        told = {name: task.predict(outputs[name]) for name, task in pairs.items()}
    return [name for name, task in pairs.items() if _in_one_space([told[name].get(field) for field in task.targets])]


def _in_one_space(columns: Sequence[np.ndarray | None]) -> bool:
    shapes = [None if column is None else column.shape for column in columns]
    return shapes[0] == shapes[1] and shapes[0] is not None and len(shapes[0]) == 2


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmcore" / "find"
