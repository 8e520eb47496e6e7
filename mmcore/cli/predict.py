"""`mm predict`: one row from the command line, or a table of rows."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from mmcore.cli.ask import sort_out
from mmcore.data.writing import without_nan
from mmcore.errors import ConfigError, DataError, listing
from mmcore.predictor import Predictor, answer_table, as_csv, as_lines, format_of, write_table
from mmcore.runtime.memory import keep_freed_memory

SHOWN = 5
"""Probabilities printed for each task."""
NAMED = ("label", "labels", "text")
"""What is told without its name."""
IN_BARS = ("probability", "probabilities")
"""What bars tell, where the probabilities are those of labels."""
BAR = 20
"""Letters of the bar of a probability of 1."""


def ask_row(
    folder: Path, fields: Sequence[str], words: Sequence[str] = (), *, options: Sequence[str] = (), as_json: bool
) -> None:
    """Print what the model says of one row.

    fields: NAME=VALUE each. words: more of them, as `--NAME VALUE`. options: of the command, for messages.
    """
    row = _row(fields)
    if not row and not words:
        raise ConfigError("Nothing is asked. Add --NAME VALUE for each input, or --table FILE for many rows.")
    predictor = Predictor.load(folder)
    given, rest = sort_out(words, predictor.columns, fields=predictor.inputs, options=options)
    if rest:
        raise ConfigError(f"{rest!r} belongs to no field. Write --NAME VALUE: {listing(predictor.inputs)}.")
    if twice := row.keys() & given:
        raise ConfigError(f"{listing(twice)} is given twice. For many rows use --table.")
    answers = next(predictor.predict_each([row | given]))
    if isinstance(answers, DataError):
        raise answers
    if as_json:
        print(json.dumps(without_nan(answers), indent=2, ensure_ascii=False))
        return
    for task, answer in answers.items():
        print("\n".join(in_words(task, answer)))


def ask_table(folder: Path, table: Path, fields: Sequence[str], *, out: Path | None, as_json: bool) -> None:
    """Write the table with the model's answers beside each row; without `out` print it, as CSV or as JSON lines."""
    if fields:
        raise ConfigError(f"--table does not go with {listing(fields)}: the table says what each row is.")
    if out is not None and as_json:
        raise ConfigError("--json and --out do not go together: name the file .jsonl instead.")
    if out is not None:
        format_of(out)  # an ending that cannot be written is told before an hour of predicting, not after it
    keep_freed_memory()
    told = answer_table(Predictor.load(folder), table)
    if told.missing:
        print(f"mm: {table} has no column for {', '.join(told.missing)}: answered without.", file=sys.stderr)
    if told.errors:
        print(
            f"mm: {told.errors} of {len(told.rows)} rows could not be read: see their column `error`.", file=sys.stderr
        )
    vectors = told.vectors() if (not as_json if out is None else format_of(out) != "jsonl") else []
    if vectors:
        remedy = "--json has them" if out is None else "a file that ends in .jsonl has them"
        print(f"mm: columns of vectors or lists are left out ({', '.join(vectors)}): {remedy}.", file=sys.stderr)
    if out is not None:
        write_table(told, out)
    else:
        sys.stdout.write(as_lines(told) if as_json else as_csv(told))


def in_words(task: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """Lines for people: what the task says, and a bar for each of the most probable labels."""
    told = answer.get("probabilities")
    shares: Mapping[str, float] = told if isinstance(told, Mapping) else {}
    said = [str(answer[name]) for name in NAMED if name in answer]
    rest = {name: value for name, value in answer.items() if name not in (*NAMED, *(IN_BARS if shares else ()))}
    yield f"{task}: {', '.join([*said, *(f'{name} {_short(value)}' for name, value in rest.items())]) or 'nothing'}"
    width = max(map(cell_len, list(shares)[:SHOWN]), default=0)  # Chinese letters are two columns wide
    for label, share in list(shares.items())[:SHOWN]:
        yield f"  {label}{' ' * (width - cell_len(label))}  {_bar(share)} {share:6.1%}"


def _short(value: object) -> str:
    """A number without the digits of its noise; of a vector only how long it is."""
    if isinstance(value, list):
        return f"({len(value)} numbers)"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _bar(share: float) -> str:
    """BAR columns, filled up to the share; plain signs where the terminal has no blocks."""
    full = round(share * BAR)
    block = "█" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
    return block * full + " " * (BAR - full)


def _row(fields: Sequence[str]) -> dict[str, str]:
    """Cells by name. Raises ConfigError where one is no NAME=VALUE, or a name stands twice."""
    row = dict[str, str]()
    for text in fields:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise ConfigError(f"--field {text!r} must be NAME=VALUE, for example --field image=a.png.")
        if name in row:
            raise ConfigError(f"--field {name} is given twice: {row[name]!r} and {value!r}. For many rows use --table.")
        row[name] = value
    return row
