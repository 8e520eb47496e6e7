"""A model folder that answers: raw cells in, what its tasks say out. No DVC, no Prefect, no Hydra, no hub."""

import itertools
import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.data.cells import Columns, MadeOf, names_of
from mmcore.data.writing import json_text
from mmcore.errors import ConfigError, DataError, EditedCode, listing, near_miss
from mmcore.evaluation.predict import outputs_of
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.metric import Table
from mmcore.interfaces.modality import Cell, Modality
from mmcore.interfaces.task import Task
from mmcore.interfaces.writing import Writing
from mmcore.model.decode import Told
from mmcore.model.folder import Saved, load_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.prepare import prepare
from mmcore.model.weights import digest_of
from mmcore.predictor.rows import row_of
from mmcore.registry.plugins import Plugins
from mmcore.registry.settings import settings_of

Answer = dict[str, Any]
"""What one task says of one row.

Classes: `label`, `probability` and `probabilities` (label -> share); sets of labels: `labels` and `probabilities`; a
number: `value`; text: `text` and its `score`, the log-probability; alignment: a vector for each field that the row has,
by its name. Other columns of a task, and `probabilities` that are not those of its labels, are told as they are.
"""
Answers = dict[str, Answer]
"""What every task says of one row."""


Given = Mapping[str, Cell | os.PathLike[str] | None]
"""A row: cells by their columns' names. A path may be one too."""


class Predictor:
    """A loaded model. `load` makes one."""

    def __init__(self, saved: Saved, *, device: str = "cpu") -> None:
        """saved: as `load_model` gave it, in evaluation mode. device: as torch names it."""
        self._saved = saved
        self._model = saved.model.to(device)
        self._device = device

    @classmethod
    def load(cls, folder: Path | str, plugins: Plugins | None = None, *, device: str = "cpu") -> "Predictor":
        """The model of a folder that a training wrote.

        Raises ArtifactError where the folder is not one or was made by another format or major version of a plugin.
        Warns with EditedCode where the code of a plugin from outside is no longer what made it.
        """
        saved = load_model(Path(folder), plugins=plugins)
        if saved.edited:
            warnings.warn(
                f"{folder} was made with other code of {listing(map(str, saved.edited))}: it may answer otherwise than "
                "it was judged. Put that code back, or train again.",
                EditedCode,
                stacklevel=2,
            )
        return cls(saved, device=device)

    @property
    def model(self) -> MultimodalModel:
        """The model, in evaluation mode."""
        return self._model

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """Every field's, as training fitted it."""
        return self._saved.modalities

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields that the model looks at, but for those that it writes."""
        return tuple(name for name in self._model.owners if name not in self._model.generated)

    @property
    def written(self) -> tuple[str, ...]:
        """The fields that it writes; a cell of one is a prompt."""
        return tuple(sorted(self._model.generated))

    @cached_property
    def digest(self) -> str:
        """Of the weights and of what made them, and of code that was edited since: equal models have equal ones."""
        now = {one.name: one.now for one in self._saved.edited}
        made = self._saved.about if not now else {**self._saved.about, "now": now}
        return digest_of(self._model, of=json_text(made).encode())[:24]

    def write_with(self, **changed: Any) -> None:
        """Change how texts are written from now on: settings of `Writing`, for every task that writes.

        Raises ConfigError where there is no such setting, or they are out of range or contradict each other.
        """
        known = settings_of(Writing)
        for name in changed:
            if name not in known:
                raise ConfigError(
                    f"there is no {name!r} in how texts are written.{near_miss(name, known)} "
                    f"There is: {listing(known)}."
                )
        for task in self._model.each_task().values():
            if task.writing is not None:
                task.writing = replace(task.writing, **changed)

    @cached_property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The names that a row may use, fields' own and their columns in training -> the fields that are meant.

        A column that fields have alone means them, and those that are called so; else the field that it is a part of.
        """
        fields, names = self._saved.modalities, dict[str, tuple[str, ...]]()
        columns = {field: names_of(of) for field, of in self._made_of.items()}
        for field in sorted(fields):
            for name in columns[field] if len(columns[field]) > 1 else ():
                names.setdefault(name, (field,))
        alone = [(columns[field][0], field) for field in sorted(fields) if len(columns[field]) == 1]
        for name in dict.fromkeys(name for name, _ in alone):
            names[name] = tuple(field for column, field in alone if column == name)
        return {**names, **{field: (field,) for field in fields if field not in names}}

    @cached_property
    def _made_of(self) -> dict[str, Columns]:
        """Every field's columns in training."""
        return {field: self._saved.columns.get(field, field) for field in self._saved.modalities}

    @cached_property
    def _asked(self) -> MadeOf:
        return MadeOf(self._made_of)

    def as_in_training(self, row: Mapping[str, Cell | None]) -> dict[str, Cell | None]:
        """A row of a table, which may have columns that training did not read, though fields are called so."""
        return self._asked.as_in_training(row)

    def lacking(self, names: Collection[str]) -> list[str]:
        """What a row with these names does not say: inputs, and columns of inputs that it has in part."""
        found = list[str]()
        for field in self.inputs:
            columns = names_of(self._made_of[field])
            if field not in names or field in columns or field not in self.columns[field]:
                absent = [name for name in columns if name not in names]
                found += [field] if len(absent) == len(columns) else absent
        return found

    def predict(self, rows: Iterable[Given], base: Path | str = Path(), *, batch_size: int = 64) -> list[Answers]:
        """What every task says of every row.

        rows: cells by the name of a field or of its column in training; a field that is left out or None is absent.
        base: where relative paths start. Raises DataError that names the row where one cannot be read, ConfigError
        where something is no row.
        """
        found = list[Answers]()
        for number, answers in enumerate(self.predict_each(rows, base, batch_size=batch_size), start=1):
            if isinstance(answers, DataError):
                raise _in_row(number, answers) from answers
            found.append(answers)
        return found

    def predict_each(
        self, rows: Iterable[Given], base: Path | str = Path(), *, batch_size: int = 64
    ) -> Iterator[Answers | DataError]:
        """As `predict`, batch by batch, with the error of each row that cannot be read in its place."""
        remaining, start = iter(rows), 0
        while some := list(itertools.islice(remaining, batch_size)):
            read = [self._read(row, base) for row in some]
            good = {start + n: arrays for n, arrays in enumerate(read) if not isinstance(arrays, DataError)}
            answers = iter(self._answer(self.batch([*good.values()], numbers=[*good])) if good else [])
            yield from (arrays if isinstance(arrays, DataError) else next(answers) for arrays in read)
            start += len(some)

    def ask(self, row: Given, told: Told | None = None, *, base: Path | str = Path()) -> Answers:
        """As `predict` of one row. told: gets tokens [1] as they are written."""
        arrays = self._read(row, base)
        if isinstance(arrays, DataError):
            raise arrays
        return self._answer(self.batch([arrays]), told)[0]

    def batch(self, rows: Sequence[Mapping[str, np.ndarray]], *, numbers: Sequence[int] | None = None) -> Batch:
        """A prepared batch of what modalities read, on the model's device. numbers: of the rows; None: from 0 on."""
        fields = {name: self._field(name, rows) for name in self._model.owners}
        number = torch.arange(len(rows)) if numbers is None else torch.tensor(numbers)
        return prepare(Batch(fields, row=number, group=number).to(self._device), self.modalities)

    def _read(self, row: Given, base: Path | str) -> dict[str, np.ndarray] | DataError:
        """The arrays of the fields that the row has."""
        base = Path(base)
        try:
            cells = self._cells(row_of(row))
            written = self._model.generated
            read = {name: self.modalities[name].read(cell, base) for name, cell in cells.items() if name not in written}
            return read | {name: self.modalities[name].prompt(cells[name], base) for name in written & cells.keys()}
        except DataError as error:
            return error

    def _cells(self, row: Mapping[str, Cell | None]) -> dict[str, Cell]:
        for name in row:
            if name not in self.columns:
                raise DataError(
                    f"the model has no field {name!r}.{near_miss(name, self.columns)} "
                    f"It looks at: {listing(self.inputs)}."
                )
        cells = self._asked.cells(row, self._model.owners)  # a target that is known already is not looked at
        if not cells and self.inputs:
            raise DataError(f"nothing to look at: give at least one of {listing(self.inputs)}.")
        return cells

    def _answer(self, batch: Batch, told: Told | None = None) -> list[Answers]:
        with torch.inference_mode():
            outputs = outputs_of(self._model, batch, modalities=self.modalities, write=True, told=told)
            tasks = self._model.each_task()
            tables = {name: task.predict(outputs[name]) for name, task in tasks.items()}
        said = {name: self._each(task, tables[name], rows=len(batch)) for name, task in tasks.items()}
        for name, task in tasks.items():
            if task.coupled:
                _leave_out_absent(said[name], batch)
        return [{name: said[name][n] for name in said} for n in range(len(batch))]

    def _field(self, name: str, rows: Sequence[Mapping[str, np.ndarray]]) -> Field:
        field = self.modalities[name].collate([row.get(name) for row in rows])
        if name not in self._model.generated:
            return field
        return replace(field, scored=torch.zeros(field.values.shape[:2], dtype=torch.bool))  # all of it is given

    def _each(self, task: Task, table: Table, *, rows: int) -> list[Answer]:
        """A table of predictions as plain values, a row a sample; shares go with their labels where they are theirs."""
        columns = {name: column.tolist() for name, column in table.items()}
        answers = [{name: column[n] for name, column in columns.items()} for n in range(rows)]
        names = self._names(task)
        if table.get("probabilities", np.empty(0)).shape[1:] != (len(names),):
            return answers
        for answer in answers:
            by_name = dict(sorted(zip(names, answer.pop("probabilities"), strict=True), key=lambda pair: -pair[1]))
            if (said := str(answer.get("label"))) in by_name:
                answer["probability"] = by_name[said]  # not the highest one where a threshold decides
            answer["probabilities"] = by_name
        return answers

    def _names(self, task: Task) -> tuple[str, ...]:
        """The classes or labels of the field that the task tells."""
        facts = [self.modalities[name].facts() for name in task.targets]
        found = [each[key] for each in facts for key in ("classes", "labels") if key in each]
        return tuple(map(str, found[0])) if found else ()


def _in_row(number: int, error: DataError) -> DataError:
    """The same error, which names its file once and the row too."""
    told = DataError(f"row {number}: {error}")
    told.path = error.path
    return told


def _leave_out_absent(answers: Sequence[Answer], batch: Batch) -> None:
    """Take out what a task that aligns says of fields that a row lacks: the vector of a blank is none of the row's."""
    for name, field in batch.fields.items():
        for answer, present in zip(answers, field.present.tolist(), strict=True):
            if not present:
                answer.pop(name, None)
