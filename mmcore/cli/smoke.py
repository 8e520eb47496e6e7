"""`mm smoke`: load a model folder and ask it some rows of the test split, as `mm predict` would."""

import math
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from mmcore.config.params import load_params
from mmcore.errors import DataError, MmcoreError, WrongModel
from mmcore.predictor import Predictor
from mmcore.runtime.memory import is_out_of_memory
from mmcore.stages import smoke
from mmcore.stages.paths import Paths

WRONG = 3
"""Exit code for a model at fault: a release is taken back for that, and for nothing else that may end the test."""


def smoke_test(folder: Path) -> None:
    """Print how many rows were answered.

    Ends with 3 where the model's code crashes, an answer is no number, or another than it was judged by.
    """
    try:
        print(_asked(folder))
    except WrongModel as error:
        print(f"mm: {error}", file=sys.stderr)
        raise typer.Exit(WRONG) from error


def _asked(folder: Path) -> str:
    paths = Paths(Path())
    with _blamed(folder):
        predictor = Predictor.load(folder)
    if not paths.manifest.exists():
        return f"{folder} loads. There are no rows here to ask it."
    asked = smoke.questions(load_params(paths.params, smoke.READS), paths, folder, inputs=predictor.inputs)
    rows = [row for row in asked.rows if any(cell is not None for cell in row.values())]
    with _blamed(folder):
        said = list(predictor.predict_each(rows, asked.base))
    answers = {number: answer for number, answer in enumerate(said) if not isinstance(answer, DataError)}
    if said and not answers:  # files that are gone since are no fault of the model
        raise next(error for error in said if isinstance(error, DataError))
    for number, answer in answers.items():
        if not _finite(answer):
            raise WrongModel(f"Row {number} of the smoke test got an answer that is no number: {answer!r}.")
    if len(rows) == len(asked.rows):
        smoke.check_answers(answers, asked.expected)
    return f"{folder.name} answers {len(answers)} rows" + (", as when it was judged." if asked.expected else ".")


@contextmanager
def _blamed(folder: Path) -> Iterator[None]:
    """Whatever the model's code raises is its fault, unless the machine has too little of something."""
    try:
        yield
    except (MmcoreError, OSError):
        raise
    except Exception as error:
        if is_out_of_memory(error) or "can't start new thread" in str(error):
            raise
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise WrongModel(f"{folder.name} crashes when it is asked: {error!r}, at {at.filename}:{at.lineno}.") from error


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
