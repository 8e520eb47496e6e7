"""A model folder that answers: raw cells in, labels and probabilities out. No DVC, no Prefect, no Hydra, no hub."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.data.cells import names_of, packed
from mmcore.errors import DataError, listing, near_miss
from mmcore.evaluation.predict import predict
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.metric import Table
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.task import Task
from mmcore.model.folder import Saved, load_model
from mmcore.registry.plugins import Plugins

Answer = dict[str, Any]
"""What one task says of one row: `label`, `probability` and `probabilities` (label -> share) where it tells classes."""
Answers = dict[str, Answer]
"""What every task says of one row."""


class Predictor:
    """A loaded model. `load` makes one."""

    def __init__(self, saved: Saved, *, device: str = "cpu") -> None:
        """saved: as `load_model` gave it, in evaluation mode. device: as torch names it."""
        self._saved = saved
        self._model = saved.model.to(device)
        self._device = device

    @classmethod
    def load(cls, folder: Path, plugins: Plugins | None = None, *, device: str = "cpu") -> "Predictor":
        """The model of a folder that a training wrote.

        Raises ArtifactError where the folder is not one, or what made X
        """
        return cls(load_model(folder, plugins=plugins), device=device)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields that the model looks at."""
        return tuple(self._model.owners)

    @property
    def columns(self) -> dict[str, str]:
        """The names that a row may use, fields' own and their columns in training -> the field that is meant."""
        fields = self._saved.modalities
        columns = {field: names_of(self._saved.columns.get(field, field)) for field in fields}
        by_many_first = sorted(fields, key=lambda field: -len(columns[field]))  # a field's only column is its own
        names = {name: field for field in by_many_first for name in columns[field]}
        return {**names, **{field: field for field in fields}}

    def lacking(self, names: Collection[str]) -> list[str]:
        """What a row with these names does not say: inputs, and columns of inputs that it has in part."""
        found = list[str]()
        for field in self.inputs:
            columns = names_of(self._saved.columns.get(field, field))
            if field not in names:
                absent = [name for name in columns if name not in names]
                found += [field] if len(absent) == len(columns) else absent
        return found

    def predict(
        self, rows: Iterable[Mapping[str, Cell | None]], base: Path = Path(), *, batch_size: int = 64
    ) -> list[Answers]:
        """What every task says of every row.

        rows: cells by the name of a field or of its column in training; a field that is left out or None is absent.
        base: where relative paths start. Raises DataError that names the row where one cannot be read.
        """
        found = list[Answers]()
        for number, answers in enumerate(self.predict_each(rows, base, batch_size=batch_size), start=1):
            if isinstance(answers, DataError):
                raise DataError(f"row {number}: {answers}", path=answers.path) from answers
            found.append(answers)
        return found

    def predict_each(
        self, rows: Iterable[Mapping[str, Cell | None]], base: Path = Path(), *, batch_size: int = 64
    ) -> Iterator[Answers | DataError]:
        """As `predict`, batch by batch, with the error of each row that cannot be read in its place."""
        remaining = iter(rows)
        while some := list(itertools.islice(remaining, batch_size)):
            read = [self._read(row, base) for row in some]
            good = [arrays for arrays in read if not isinstance(arrays, DataError)]
            answers = iter(self._answer(good) if good else [])
            yield from (arrays if isinstance(arrays, DataError) else next(answers) for arrays in read)

    def _read(self, row: Mapping[str, Cell | None], base: Path) -> dict[str, np.ndarray] | DataError:
        """The arrays of the fields that the row has."""
        try:
            cells = self._cells(row)
            return {name: self._saved.modalities[name].read(cell, base) for name, cell in cells.items()}
        except DataError as error:
            return error

    def _cells(self, row: Mapping[str, Cell | None]) -> dict[str, Cell]:
        known, cells = self.columns, dict[str, Cell]()
        for name, cell in packed(row, self._saved.columns).items():
            if name not in known:
                raise DataError(
                    f"the model has no field {name!r}.{near_miss(name, known)} It looks at: {listing(self.inputs)}."
                )
            field = known[name]
            if field in cells:
                raise DataError(f"{field!r} is given twice: by its own name and as {self._saved.columns[field]!r}.")
            if cell is not None and field in self._model.owners:  # a target that is known already is not looked at
                cells[field] = cell
        if not cells:
            raise DataError(f"nothing to look at: give at least one of {listing(self.inputs)}.")
        return cells

    def _answer(self, rows: Sequence[Mapping[str, np.ndarray]]) -> list[Answers]:
        fields = {name: self._field(name, rows) for name in self.inputs}
        number = torch.arange(len(rows))
        batch = Batch(fields, row=number, group=number)
        judged = predict(self._model, [batch], modalities=self._saved.modalities, device=self._device)
        tasks = self._model.each_task()
        said = {name: self._each(tasks[name], found.predictions) for name, found in judged.items()}
        return [{name: said[name][n] for name in said} for n in range(len(rows))]

    def _field(self, name: str, rows: Sequence[Mapping[str, np.ndarray]]) -> Field:
        return self._saved.modalities[name].collate([row.get(name) for row in rows])

    def _each(self, task: Task, table: Table) -> list[Answer]:
        """A table of predictions as plain values, a row a sample."""
        probabilities, labels = table.get("probabilities"), self._labels(task)
        columns = {name: column.tolist() for name, column in table.items() if name != "probabilities"}
        answers = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        if probabilities is None:
            return answers
        for answer, shares in zip(answers, probabilities.tolist(), strict=True):
            by_label = sorted(zip(labels, shares, strict=True), key=lambda pair: -pair[1])
            answer |= {"probability": by_label[0][1], "probabilities": dict(by_label)}
        return answers

    def _labels(self, task: Task) -> tuple[str, ...]:
        """The classes of the field that the task tells."""
        facts = [self._saved.modalities[name].facts() for name in task.targets]
        return next((tuple(map(str, found["classes"])) for found in facts if "classes" in found), ())
