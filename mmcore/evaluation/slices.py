"""Scores of parts of the rows: those with one value in a column that was carried along."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mmcore.evaluation.predict import Judged, pick
from mmcore.evaluation.score import Scores, with_intervals
from mmcore.evaluation.settings import EvaluationSettings
from mmcore.interfaces.modality import Cell
from mmcore.model.multimodal import MultimodalModel

MOST = 20
"""Values of one column that are scored, the most frequent."""


def score_slices(
    model: MultimodalModel,
    judged: Mapping[str, Judged],
    columns: Mapping[str, Sequence[Cell | None]],
    settings: EvaluationSettings,
) -> Scores:
    """`task/metric/slice/COLUMN=VALUE`, with `/low` and `/high`. columns: by name, one cell a manifest row."""
    found = Scores()
    for name, keep in parts_of(columns, next(iter(judged.values())).row):
        part = {task: _part(one, keep) for task, one in judged.items()}
        for key, number in with_intervals(model, part, settings).items():
            found[_key(key, name)] = number
    return found


def parts_of(columns: Mapping[str, Sequence[Cell | None]], row: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """`COLUMN=VALUE` and which of the rows it is. columns: as of `score_slices`. row: [n] index into the manifest."""
    for column, cells in sorted(columns.items()):
        values = np.array(["(none)" if cells[index] is None else str(cells[index]) for index in row], dtype=object)
        for value, _ in sorted(Counter(values.tolist()).most_common(MOST)):
            yield f"{column}={value}", values == value


def _part(judged: Judged, keep: np.ndarray) -> Judged:
    truth = pick(judged.truth, keep) if judged.truth else judged.truth
    return Judged(pick(judged.predictions, keep), truth, judged.present[keep], judged.row[keep], judged.group[keep])


def _key(key: str, name: str) -> str:
    """`task/metric/low` -> `task/metric/slice/NAME/low`."""
    task, metric, *bound = key.split("/")
    return "/".join([task, metric, "slice", name, *bound])
