"""`mm smoke`: load a model folder and ask it some rows of the test split, as `mm predict` would."""

import math
import sys
import traceback
from pathlib import Path
from typing import Any

import typer

from mmcore.config.params import load_params
from mmcore.errors import MmcoreError, WrongModel
from mmcore.predictor import Predictor
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
    except (OSError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, MmcoreError) and not isinstance(error, WrongModel):
            raise
        told = error if isinstance(error, WrongModel) else f"{folder.name} crashes when it is asked: {_crash(error)}"
        print(f"mm: {told}", file=sys.stderr)
        raise typer.Exit(WRONG) from error


def _crash(error: Exception) -> str:
    """What was raised, and where."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{error!r}, at {at.filename}:{at.lineno}."


def _asked(folder: Path) -> str:
    paths = Paths(Path())
    predictor = Predictor.load(folder)
    if not paths.manifest.exists():
        return f"{folder} loads. There are no rows here to ask it."
    asked = smoke.questions(load_params(paths.params, smoke.READS), paths, folder, inputs=predictor.inputs)
    rows = [row for row in asked.rows if any(cell is not None for cell in row.values())]
    answers = predictor.predict(rows, asked.base)
    for number, answer in enumerate(answers):
        if not _finite(answer):
            raise WrongModel(f"Row {number} of the smoke test got an answer that is no number: {answer!r}.")
    if len(rows) == len(asked.rows):
        smoke.check_answers(answers, asked.expected)
    return f"{folder.name} answers {len(rows)} rows" + (", as when it was judged." if asked.expected else ".")


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
