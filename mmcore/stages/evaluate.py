"""evaluate: the trained model on rows it has never seen, beside its floors."""

import csv
import math
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import torch

from mmcore.config.params import Params
from mmcore.data.manifest import Manifest
from mmcore.data.parquet import write_parquet
from mmcore.data.writing import CsvLines, whole_file, write_json
from mmcore.errors import DataError
from mmcore.evaluation.corruption import under_corruption
from mmcore.evaluation.predict import Judged, predict
from mmcore.evaluation.score import Scores, score, shares_of, with_intervals
from mmcore.evaluation.settings import EvaluationSettings
from mmcore.evaluation.slices import score_slices
from mmcore.interfaces.field import Batch
from mmcore.model.folder import Saved, load_model
from mmcore.model.multimodal import MultimodalModel
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.memory import keep_freed_memory
from mmcore.stages.inputs import Inputs, open_inputs
from mmcore.stages.outputs import read_output
from mmcore.stages.paths import Paths

READS = ("fields", "evaluation")


def run(params: Params, paths: Paths, *, plugins: Plugins | None = None) -> None:
    """Write metrics.json, predictions.parquet and plots/confusion.csv.

    A score that is no number, as where a slice has one class alone, is left out: JSON does not know it. `shares` names
    the scores that lie between 0 and 1 and read as percent.
    """
    plugins = plugins or installed()
    settings = params.get("evaluation", EvaluationSettings)
    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    saved = load_model(paths.model, plugins=plugins)
    inputs = open_inputs(params.fields(), paths, modalities=saved.modalities, model=saved.model)
    saved.model.cached = inputs.cached
    rows = rows_of(inputs, settings.split)
    judged = predict(saved.model, _batches(inputs, settings), modalities=inputs.raw, write=settings.write)
    scores = with_intervals(saved.model, judged, settings)
    scores |= score_slices(saved.model, judged, Manifest.read(paths.manifest).slices, settings)
    if settings.without and len(saved.model.owners) > 1:
        scores |= _taken_away(saved.model, inputs, settings)
    if settings.corrupt:
        scores |= _corrupted(saved, params, paths)
    told = {key: value for key, value in {**_floors(paths), **scores}.items() if math.isfinite(value)}
    about = {"split": settings.split, "n": rows, "shares": [key for key in shares_of(saved.model) if key in told]}
    write_json(paths.metrics, {**_counts(paths, inputs), **told, **about})
    write_predictions(paths, judged)
    write_confusion(paths, judged)


def rows_of(inputs: Inputs, split: str) -> int:
    """How many rows are judged. Raises DataError where there is none."""
    rows = len(inputs.dataset.rows(split))
    if not rows:
        raise DataError(f"the {split} split has no rows: set data.split so that it has, or evaluation.split.")
    return rows


def _batches(inputs: Inputs, settings: EvaluationSettings) -> Iterator[Batch]:
    """The judged rows, from the start."""
    return inputs.batches(settings.split, batch_size=settings.batch_size)


def _taken_away(model: MultimodalModel, inputs: Inputs, settings: EvaluationSettings) -> Scores:
    """`task/metric/without/FIELD` for each field that could be missing."""
    found = Scores()
    for name in sorted(set(model.owners) - model.generated):
        lacking = predict(
            model, _batches(inputs, settings), modalities=inputs.raw, without=[name], write=settings.write
        )
        scores = score(model, lacking).items()  # a task whose target is gone has no rows to be scored on
        found |= {f"{key}/without/{name}": value for key, value in scores if not math.isnan(value)}
    return found


def _corrupted(saved: Saved, params: Params, paths: Paths) -> Scores:
    """Scores under growing corruption; what is damaged must go through its encoder, so no stored features are used."""
    settings = params.get("evaluation", EvaluationSettings)
    inputs = open_inputs(params.fields(), paths, modalities=saved.modalities, model=saved.model, features=False)
    stored, saved.model.cached = saved.model.cached, {}
    found = under_corruption(
        saved.model, lambda: _batches(inputs, settings), modalities=inputs.raw, strengths=settings.corrupt,
        seed=settings.seed,
    )  # fmt: skip
    saved.model.cached = stored
    return found


def write_predictions(paths: Paths, judged: Mapping[str, Judged]) -> None:
    """One row a sample: id, row, group, and for each task what was said and what is true."""
    first = next(iter(judged.values()))
    ids = Manifest.read(paths.manifest).ids
    columns: dict[str, pa.Array] = {
        "id": pa.array([ids[row] for row in first.row]),
        "row": pa.array(first.row),
        "group": pa.array(first.group),
    }
    for task, found in sorted(judged.items()):
        columns |= {f"{task}:{name}": _column(values) for name, values in found.predictions.items()}
        columns |= {f"{task}:true:{name}": _column(values) for name, values in found.truth.items()}
        columns[f"{task}:present"] = pa.array(found.present)
    write_parquet(paths.predictions, pa.table(columns))


def write_confusion(paths: Paths, judged: Mapping[str, Judged]) -> None:
    """A CSV file with a row for each prediction of a label: what `dvc plots` draws as a confusion matrix."""
    with whole_file(paths.confusion) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(CsvLines(file))
        writer.writerow(("task", "actual", "predicted"))
        for task, found in sorted(judged.items()):
            known = found.known()
            if "label" in known.predictions and "label" in known.truth:
                pairs = zip(known.truth["label"].tolist(), known.predictions["label"].tolist(), strict=True)
                writer.writerows((task, actual, predicted) for actual, predicted in pairs)


def _column(values: np.ndarray) -> pa.Array:
    return pa.array(list(values)) if values.ndim > 1 else pa.array(values.tolist())


def _counts(paths: Paths, inputs: Inputs) -> dict[str, int]:
    """Rows of each split, and how many are left out."""
    joined = read_output(paths.inputs, "join")
    rows = {f"rows/{split}": len(inputs.dataset.rows(split)) for split in ("train", "validation", "test")}
    return {**rows, "quarantined": joined["quarantined"]}


def _floors(paths: Paths) -> Scores:
    """`task/metric/floor/NAME` from floors.json."""
    if not paths.floors.exists():
        return {}
    floors: dict[str, Scores | None] = read_output(paths.floors, "floors")
    return {f"{key}/floor/{name}": value for name, scores in floors.items() for key, value in (scores or {}).items()}
