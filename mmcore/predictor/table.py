"""Many rows at once: a table in, the same table with the model's answers out."""

import codecs
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmcore.data.column import Column
from mmcore.data.parquet import write_parquet
from mmcore.data.pile import Held
from mmcore.data.writing import CsvLines, whole_file, whole_letters, without_nan
from mmcore.errors import DataError, in_one_name, listing, near_miss
from mmcore.interfaces.source import Source
from mmcore.predictor.predictor import Predictor
from mmcore.registry.plugins import Plugins, installed
from mmcore.registry.settings import Part

FORMATS = ("csv", "jsonl", "parquet")


@dataclass(frozen=True)
class Told:
    """A table with answers."""

    rows: Sequence[Mapping[str, Any]]
    """The given columns, then `TASK:label`, `TASK:probability` or whatever it tells, and `error` where a row failed."""
    missing: Sequence[str]
    """Inputs of the model, or columns of an input that has several, which the table lacks: it answered without."""
    errors: int
    """Rows that could not be read; each says why in its column `error`."""
    marked: bool = False
    """The given table begins with a byte order mark, without which Excel takes its letters for others: `write_table`
    (`--out`) writes one too; what is printed has none."""

    def vectors(self) -> list[str]:
        """The columns that CSV and Parquet leave out, since their cells are lists."""
        return [name for name in _names(self.rows) if any(isinstance(row.get(name), list) for row in self.rows)]


def answer_table(predictor: Predictor, path: Path, *, plugins: Plugins | None = None) -> Told:
    """What the model says of each row of a CSV, JSON lines or Parquet table.

    Cells of CSV are the texts that stand there, in use as in what is kept of them: a row is answered as it is alone.
    Relative paths in cells start in the table's folder. Columns that are no field of the model are kept as they are,
    and so are texts that it writes from other fields: they are what is true, where they are conversations to be
    answered, or where there is nothing else to look at, they are prompts. Where the table has the columns of a field,
    another that is merely called as the field is kept and not looked at, as in training. Columns that answers are
    written to (`error`, `TASK:..`) hold nothing but these.
    Raises DataError where the table cannot be read, has no row, or lacks a column that a misspelt one seems to be.
    """
    if path.is_dir():
        raise DataError("this is a folder. Name the table in it, a file.", path=path)
    if path == Path("-") or (path.exists() and not path.is_file()):
        raise DataError(
            "a table is walked through twice, and its ending tells its format: write it to a file.", path=path
        )
    if not path.is_file():
        raise DataError("there is no such table.", path=path)
    marked = _marked(path)
    source: Source = (plugins or installed()).source.build(Part("table", {"path": str(path)}), where="--table")
    missing = _missing(predictor, source.columns(), path)
    rows = list(source.rows_as_written())
    if not rows:
        raise DataError("the table has no rows.", path=path)
    known = {name for name, fields in predictor.columns.items() if any(_asked(predictor, field) for field in fields)}
    asked = [{name: cell for name, cell in predictor.as_in_training(row).items() if name in known} for row in rows]
    told, errors = list[Mapping[str, Any]](), 0
    for row, answers in zip(rows, predictor.predict_each(asked, source.base), strict=True):
        failed = isinstance(answers, DataError)
        errors += failed
        said = {"error": str(answers)} if isinstance(answers, DataError) else _flat(answers)
        kept = {name: cell for name, cell in row.items() if not _told_before(name, predictor)}
        told.append({_whole(name): _whole(value) for name, value in {**kept, **said}.items()})
    return Told(told, missing, errors, marked)


def _marked(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def _asked(predictor: Predictor, field: str) -> bool:
    """Whether a column of `field` is something to look at."""
    return field not in predictor.written or not predictor.inputs or predictor.modalities[field].talks


def _told_before(name: str, predictor: Predictor) -> bool:
    """Whether a column is one of those that answers are written to: what stands there is of another time."""
    task, colon, _ = name.partition(":")
    return name == "error" or bool(colon and task in predictor.model.tasks)


def write_table(told: Told, path: Path) -> None:
    """A table in the format that the ending of `path` names: csv, jsonl or parquet. Raises DataError for another.

    A CSV table begins with a byte order mark where the given one does.
    """
    kind = format_of(path)
    if kind == "parquet":
        write_parquet(path, pa.table(_columns(_without_mappings(told.rows))))
        return
    encoding = "utf-8-sig" if told.marked and kind == "csv" else "utf-8"
    with whole_file(path) as part:
        part.write_text(as_csv(told) if kind == "csv" else as_lines(told), encoding=encoding, newline="")


def format_of(path: Path) -> str:
    """What the ending of a table to be written names. Raises DataError where it is none of FORMATS."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise DataError(f"the ending {path.suffix!r} does not tell a format: use {listing(FORMATS)}.", path=path)
    return kind


def as_csv(told: Told) -> str:
    """One line a row; probabilities of single labels and vectors are left out (JSON lines has them)."""
    rows = _without_mappings(told.rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(CsvLines(buffer), _names(rows), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def as_lines(told: Told) -> str:
    """One JSON object a line; null for what is no number."""
    return "".join(json.dumps(without_nan(row), ensure_ascii=False, default=str) + "\n" for row in told.rows)


def _missing(predictor: Predictor, columns: Sequence[str], path: Path) -> list[str]:
    """What has no column. Raises DataError where one seems misspelt, or all inputs are missing."""
    known, missing = predictor.columns, predictor.lacking(columns)
    wanted = [*missing, *(name for name, fields in known.items() if set(fields) & set(missing))]
    for column in columns:
        hint = near_miss(column, wanted) if column not in known else ""
        if hint:
            raise DataError(
                f"the column {column!r} is no field of the model.{hint} It looks at: {listing(predictor.inputs)}."
                f"{in_one_name(columns)}",
                path=path,
            )
    if predictor.inputs and set(missing) >= set(predictor.inputs):
        raise DataError(
            f"no column is a field that the model looks at ({listing(missing)}). Columns: {listing(columns)}."
            f"{in_one_name(columns)}",
            path=path,
        )
    return missing


def _flat(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{task}:{name}": value for task, answer in answers.items() for name, value in answer.items()}


def _whole(value: Any) -> Any:
    """No half of a character, which cannot be written: all answers would be lost with it."""
    return whole_letters(value) if isinstance(value, str) else value


def _without_mappings(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if not isinstance(value, Mapping | list)} for row in rows]


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every column of any row, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Column -> its values as Parquet takes them: of one kind, texts where they are of several."""
    columns = {name: Column(Held()) for name in _names(rows)}
    for row in rows:
        for name, column in columns.items():
            column.append(row.get(name))
    return {name: column.finish() for name, column in columns.items()}
