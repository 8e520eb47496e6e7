"""report: one page that tells whether the model is good."""

import csv
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mmcore.config.params import Params
from mmcore.data.quarantine import read_broken
from mmcore.data.remote import open_store
from mmcore.data.split import SPLITS
from mmcore.data.writing import whole_file
from mmcore.evaluation.predict import pick
from mmcore.interfaces.metric import Table
from mmcore.interfaces.modality import Modality, Shown
from mmcore.interfaces.task import Task
from mmcore.interfaces.writing import UNKNOWN
from mmcore.model.folder import Saved, load_model
from mmcore.model.texts import prompt_of
from mmcore.registry.plugins import Plugins, installed
from mmcore.report.confusion import Confusion
from mmcore.report.examples import Choice, Example, Gallery, choose
from mmcore.report.numbers import number
from mmcore.report.page import Findings, LeftOut, TaskFindings, render
from mmcore.report.scores import scores_of
from mmcore.report.settings import ReportSettings
from mmcore.stages.outputs import read_output, read_rows
from mmcore.stages.paths import Paths

READS = ("report", "repeats.summary")

LIBRARIES = ("torch", "numpy", "pyarrow", "lightning-fabric", "timm", "tokenizers")
"""Whose versions the page tells, where they are installed."""


def run(params: Params, paths: Paths, *, plugins: Plugins | None = None) -> None:
    """Write report.html from what the stages before it wrote."""
    settings = params.get("report", ReportSettings)
    saved = load_model(paths.model, plugins=plugins or installed())
    metrics = read_output(paths.metrics, "evaluate")
    predictions = read_rows(paths.predictions, "evaluate")
    tasks = saved.model.each_task()
    broken = read_broken(paths.quarantine) if paths.quarantine.exists() else []
    judged = {name: {key: metric.better for key, metric in task.metrics().items()} for name, task in tasks.items()}
    scores = scores_of(metrics, judged)
    confusions = _confusions(paths)
    page = render(
        Findings(
            tasks=[
                TaskFindings(
                    name,
                    [score for score in scores if score.task == name],
                    confusions.get(name),
                    galleries(name, task, predictions, saved=saved, paths=paths, count=settings.examples),
                )
                for name, task in tasks.items()
            ],
            split=metrics["split"],
            n=metrics["n"],
            curves=_curves(paths),
            rows={name: metrics[f"rows/{name}"] for name in SPLITS if f"rows/{name}" in metrics},
            left_out=[LeftOut(one.field, None if one.cell is None else str(one.cell), one.reason) for one in broken],
            notes=[*_notes(saved), *_unknown(tasks, predictions)],
            params=paths.params.read_text(encoding="utf-8"),
            versions=_versions(saved),
            timings=read_output(paths.timings, "train") if paths.timings.exists() else {},
            repeats={kind: _beside(paths, kind) for kind in sorted(params.get("repeats.summary", Mapping[str, Any]))},
        ),
        title=settings.title,
    )
    with whole_file(paths.report) as part:
        part.write_text(page, encoding="utf-8")


def galleries(name: str, task: Task, predictions: Any, *, saved: Saved, paths: Paths, count: int) -> list[Gallery]:
    """Rows of the judged split to look at, with their inputs. predictions: pyarrow.Table of predictions.parquet."""
    known = predictions.filter(predictions[f"{name}:present"])
    if not count or not len(known):
        return []
    said, true = table_of(known, f"{name}:", but=f"{name}:true:"), table_of(known, f"{name}:true:")
    metric = next(iter(task.metrics().values()))
    scores = metric.rows(said, true)
    if scores is not None and np.isnan(scores).any():  # rows that do not count are nothing to look at
        counts = ~np.isnan(scores)
        known, scores, said, true = (
            known.filter(pa.array(counts)),
            scores[counts],
            pick(said, counts),
            pick(true, counts),
        )
    confidence = said.get("probability")  # of what is said
    if confidence is None and said.get("probabilities", np.empty(0)).ndim == 2:
        confidence = said["probabilities"].max(1)
    ids = known["id"].to_pylist()
    choices = choose(
        scores, ids=ids, groups=known["group"].to_pylist(), confidence=confidence, better=metric.better, count=count
    )
    inputs = _Inputs(saved, paths)
    answer = next((column for column in said if column in true and said[column].ndim == 1), None)
    manifest_rows = known["row"].to_numpy()

    def example(row: int, choice: Choice) -> Example:
        return Example(
            ids[row],
            inputs.show(int(manifest_rows[row])),
            predicted=_text(said[answer][row]) if answer else None,
            actual=_text(true[answer][row]) if answer else None,
            confidence=None if confidence is None else float(confidence[row]),
            right=choice.right,
        )

    return [Gallery(one.title, one.note, [example(int(row), one) for row in one.rows]) for one in choices]


class _Inputs:
    """What the model saw of a manifest row."""

    def __init__(self, saved: Saved, paths: Paths) -> None:
        self._modalities: Mapping[str, Modality] = {name: saved.modalities[name] for name in saved.model.owners}
        self._stores = {name: open_store(paths.store(name)) for name in self._modalities}
        self._written = saved.model.generated

    def show(self, row: int) -> dict[str, Shown | None]:
        """Every input field, None where the row lacks it; of what is written the prompt, if there is one."""
        arrays = {name: store.take(np.array([row]))[0] for name, store in self._stores.items()}
        shown = {n: None if array is None else self._shown(n, array) for n, array in arrays.items()}
        return {name: one for name, one in shown.items() if one != ("text", "") or name not in self._written}

    def _shown(self, name: str, array: np.ndarray) -> Shown:
        modality = self._modalities[name]
        if name not in self._written:
            return modality.show(array)
        prompt = prompt_of(modality.collate([array]), bos=int(modality.facts()["bos"]))
        return "text", str(modality.decode(prompt.values)[0])


def table_of(table: Any, start: str, *, but: str | None = None) -> Table:
    """The columns of a pyarrow.Table whose names start so, as arrays; lists become [rows, n]."""
    names = [name for name in table.column_names if name.startswith(start) and not (but and name.startswith(but))]
    return {name.removeprefix(start): _array(table[name]) for name in names if name != f"{start}present"}


def _array(column: Any) -> np.ndarray:
    if pa.types.is_list(column.type):
        return np.array(column.to_pylist())
    return np.array(column.to_pylist(), dtype=object) if pa.types.is_string(column.type) else np.array(column)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _beside(paths: Paths, kind: str) -> str:
    """Where the page of the repeats lies, seen from the report: `spread` writes it, before or after this stage."""
    return paths.spread(kind).with_suffix(".html").relative_to(paths.report.parent).as_posix()


def _notes(saved: Saved) -> list[str]:
    """What modalities say of their training cells that a reader should know."""
    found = list[str]()
    for name, modality in sorted(saved.modalities.items()):
        facts = modality.facts()
        if facts.get("truncated"):
            share, most = number(facts["truncated"], percent=True), facts.get("max_tokens")
            found.append(f"{name}: {share} of the training texts are longer than {most} tokens and were cut off there.")
        found += [f"{name}: {remark}" for remark in modality.remarks()]
    return found


def _unknown(tasks: Iterable[str], predictions: Any) -> list[str]:
    """Of texts that were to be written, how many hold what the model cannot write: it says so beside `text`."""
    found = list[str]()
    for name in tasks:
        column = f"{name}:true:unknown"
        if column not in predictions.column_names:
            continue
        unknown = predictions.filter(predictions[f"{name}:present"])[column].to_numpy()
        if holding := int((unknown > 0).sum()):
            found.append(
                f"{name}: {holding} of the {len(unknown)} texts to be written hold a character that has no token "
                f"({UNKNOWN}): no answer is quite right there. A larger vocabulary of the field written mends it."
            )
    return found


def _confusions(paths: Paths) -> dict[str, Confusion]:
    pairs = dict[str, list[tuple[str, str]]]()
    for row in _csv(paths.confusion):
        pairs.setdefault(row["task"], []).append((row["actual"], row["predicted"]))
    found = {task: Confusion.of(rows) for task, rows in pairs.items()}
    return {task: confusion for task, confusion in found.items() if confusion is not None}


def _curves(paths: Paths) -> list[dict[str, float]]:
    return [{key: float(value) for key, value in row.items() if value} for row in _csv(paths.learning)]


def _csv(path: Path) -> Sequence[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _versions(saved: Saved) -> dict[str, str]:
    """mmcore and the plugins that made the model, and what they stand on."""
    found = {**saved.about["packages"], "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
