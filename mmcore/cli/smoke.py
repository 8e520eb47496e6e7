"""`mm smoke`: load a model folder and ask it some rows of the test split, as `mm predict` would."""

import math
from pathlib import Path
from typing import Any

from mmcore.config.params import load_params
from mmcore.errors import ArtifactError
from mmcore.predictor import Predictor
from mmcore.stages import smoke
from mmcore.stages.paths import Paths


def smoke_test(folder: Path) -> None:
    """Print how many rows were answered. Raises ArtifactError where one is not, or otherwise than it was judged."""
    paths = Paths(Path())
    predictor = Predictor.load(folder)
    if not paths.manifest.exists():
        print(f"{folder} loads. There are no rows here to ask it.")
        return
    asked = smoke.questions(load_params(paths.params, smoke.READS), paths, folder, inputs=predictor.inputs)
    rows = [row for row in asked.rows if any(cell is not None for cell in row.values())]
    answers = predictor.predict(rows, asked.base)
    for number, answer in enumerate(answers):
        if not _finite(answer):
            raise ArtifactError(f"Row {number} of the smoke test got an answer that is no number: {answer!r}.")
    if len(rows) == len(asked.rows):
        smoke.check_answers(answers, asked.expected)
    print(f"{folder.name} answers {len(rows)} rows" + (", as when it was judged." if asked.expected else "."))


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
