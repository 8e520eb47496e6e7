"""One trial: the stages from features on, in a folder of its own, on prepared data that all trials share."""

import csv
import json
import math
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmcore.config.params import Params
from mmcore.config.pretrain import PretrainSettings
from mmcore.config.repeats import RepeatSettings
from mmcore.data.writing import write_json
from mmcore.errors import BuildError, ConfigError, DataError
from mmcore.evaluation.predict import predict
from mmcore.evaluation.score import better_of
from mmcore.model.assemble import assemble
from mmcore.model.folder import load_model
from mmcore.registry.plugins import Plugins
from mmcore.search.settings import COSTS
from mmcore.search.trial.prepared import Shared
from mmcore.stages import evaluate, pretrain, train
from mmcore.stages.inputs import load_modalities, open_inputs, plan_of
from mmcore.stages.paths import Paths
from mmcore.training.loop import EachEpoch
from mmcore.training.settings import TrainingSettings

Report = Callable[[int, float], bool]
"""(step, value of the first objective) -> whether to stop here."""

KEYS = (
    "data.source", "data.id", "data.max_broken", "fields", "fusion", "tasks", "model", "training", "pretrain",
    "evaluation",
)  # fmt: skip
WARM_UP, TIMED = 3, 20
"""Forward passes of one row: before the time is taken, and for it."""


class Pruned(Exception):
    """Others were better at this point."""


class Unbuilt(ConfigError):
    """Settings that do not go together, found out before anything was trained."""


@dataclass
class Followed:
    """A trial's trainings, as far as they have come."""

    epoch_told: EachEpoch = lambda row: None
    begun: bool = False

    def each_step(self) -> None:
        """A batch went through what was built, and taught it something."""
        self.begun = True

    def each_epoch(self, row: Mapping[str, float]) -> None:
        """One is trained; it may be that a former process did."""
        self.begun = True
        self.epoch_told(row)


@dataclass(frozen=True)
class Job:
    """What all trials of a search have in common."""

    objectives: tuple[str, ...]
    folds: int
    stratify: str | None
    seed: int
    """By which rows are dealt to folds."""
    monitor: str = "up"
    """Which way training.monitor is better; found by `better`."""

    def better(self, values: Mapping[str, Any], shared: Shared) -> tuple[str, ...]:
        """`up` or `down` for training.monitor, then for each objective.

        Raises BuildError for a metric that no task gives, DataError where there are no rows to judge by.
        """
        params, plugins = Params(values, KEYS), shared.plugins
        work = shared.rows(values)
        modalities = load_modalities(params.fields(), work, plugins)
        seed = params.get("training.seed", int)
        model = assemble(plan_of(params), modalities, seed=seed, plugins=plugins)
        inputs = open_inputs(params.fields(), work, modalities=modalities, model=model)
        if not self.folds and not len(inputs.dataset.rows("validation")):
            raise DataError(
                "there are no validation rows for trials to be judged by. Set data.split so that there are and run "
                "`dvc repro join`, or search with folds: folds=5."
            )
        names = (params.get("training.monitor", str), *self.objectives)
        return tuple("down" if name in COSTS else better_of(model, name) for name in names)

    def run(self, values: Mapping[str, Any], folder: str, shared: Shared, report: Report) -> dict[str, Any]:
        """Train and judge. Returns `values`, one for each objective, and `scores`. Raises Pruned and Unbuilt."""
        epochs = Followed() if self.folds else Followed(lambda row: _told(row, self.objectives[0], report))
        try:
            return self._run(values, folder, shared, report, epochs)
        except (BuildError, ConfigError) as error:
            if epochs.begun:
                raise
            raise Unbuilt(str(error)) from error

    def _run(
        self, values: Mapping[str, Any], folder: str, shared: Shared, report: Report, epochs: Followed
    ) -> dict[str, Any]:
        if not self.folds:
            return self._single(values, shared.rows(values), folder, shared, epochs)
        found = list[dict[str, Any]]()
        for number in range(self.folds):
            fold = RepeatSettings(self.seed, number, self.folds, self.stratify)
            one = self._single(values, shared.rows(values, fold=fold), f"{folder}/fold-{number}", shared, epochs)
            found.append(one)
            if report(number, float(one["values"][0])) and number + 1 < self.folds:
                raise Pruned
        weights = [one["rows"] for one in found]
        known = [key for key in found[0]["scores"] if all(key in one["scores"] for one in found)]
        scores = {key: _mean([one["scores"][key] for one in found], weights) for key in known}
        values_ = [_mean([one["values"][n] for one in found], weights) for n in range(len(self.objectives))]
        return {"values": values_, "scores": scores, "folds": [one["values"][0] for one in found]}

    def _single(
        self,
        values: Mapping[str, Any],
        paths: Paths,
        folder: str,
        shared: Shared,
        epochs: Followed,
    ) -> dict[str, Any]:
        """One training; with folds judged on the rows that were left out, else on the validation rows."""
        work = replace(paths, results=folder, kept=f"{folder}/kept")
        done = work.root / folder / "result.json"
        if done.exists():
            epochs.begun = True
            return dict(json.loads(done.read_text(encoding="utf-8")))
        params = Params(values, KEYS)
        fit_model(params, work, shared, epochs)
        row = None if self.folds else _kept_row(work, params.get("training", TrainingSettings), self.monitor)
        # An epoch's row has no scores of written texts where the monitor looks at none.
        for write in (params.get("evaluation.write", bool), True):
            if row is None or not {*self.objectives} <= {*row, *COSTS}:
                row = self._evaluated(params, work, shared, write=write)
        assert row is not None, "evaluated where no epoch tells"
        timings = json.loads(work.timings.read_text(encoding="utf-8"))
        scores = dict.fromkeys(self.objectives, math.nan)  # metrics.json leaves out what is no number
        scores |= {key: float(value) for key, value in row.items() if key.count("/") == 1 and key[:5] != "rows/"}
        scores |= {name: float(timings[name]) for name in ("parameters", "train_s")}
        if "latency_ms" in self.objectives:
            scores["latency_ms"] = latency_ms(params, work, shared.plugins)
        found = {"values": [scores[name] for name in self.objectives], "scores": scores, "rows": float(row.get("n", 0))}
        write_json(done, found)
        return found

    def _evaluated(self, params: Params, work: Paths, shared: Shared, *, write: bool) -> dict[str, Any]:
        """What `evaluate` makes of the model, on the rows that a trial is judged by."""
        split = "test" if self.folds else "validation"
        quick = {"split": split, "resamples": 0, "without": False, "corrupt": [], "write": write}
        judged = params.with_value("evaluation", {**params.values["evaluation"], **quick})
        evaluate.run(judged, work, plugins=shared.plugins)
        return dict(json.loads(work.metrics.read_text(encoding="utf-8")))


def fit_model(params: Params, work: Paths, shared: Shared, epochs: Followed) -> None:
    """The stages that `dvc repro` runs between the arrays and the model."""
    shared.features(params.values, work)
    for name in params.get("pretrain", PretrainSettings).runs:
        if not (work.pretrain(name) / "model").is_dir():
            first = Params(params.values, (*KEYS, f"pretrain.runs.{name}"))
            pretrain.run(first, work, run=name, plugins=shared.plugins, each_step=epochs.each_step)
        epochs.begun = True  # also where a former process did
    last = Params(params.values, train.READS)
    train.run(last, work, plugins=shared.plugins, each_step=epochs.each_step, each_epoch=epochs.each_epoch)


def judge(values: Mapping[str, Any], seed: int, folder: str, shared: Shared) -> dict[str, Any]:
    """Train with a seed and judge as `dvc repro` does: scores with their intervals, on the rows of evaluation.split."""
    work = replace(shared.rows(values), results=folder, kept=f"{folder}/kept")
    done = work.root / folder / "result.json"
    if not done.exists():
        params = Params(values, KEYS).with_value("training.seed", seed)
        for name in params.get("pretrain", PretrainSettings).runs:
            params = params.with_value(f"pretrain.runs.{name}.seed", seed)
        fit_model(params, work, shared, Followed())
        evaluate.run(params.with_value("evaluation.without", False), work, plugins=shared.plugins)
        metrics = json.loads(work.metrics.read_text(encoding="utf-8"))
        scores = {params.get("training.monitor", str): math.nan}  # metrics.json leaves out what is no number
        scores |= {key: value for key, value in metrics.items() if isinstance(value, float)}
        write_json(done, {"scores": scores, "split": metrics["split"]})
    return dict(json.loads(done.read_text(encoding="utf-8")))


def tidy(root: Path, folder: str) -> None:
    """Leave the scores of a trial alone: models of a hundred trials would fill a disk."""
    for path in (root / folder).glob("**/*"):
        if path.name in ("model", "kept", "features", "pretrain") and (path.is_symlink() or path.is_dir()):
            path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)


def latency_ms(params: Params, work: Paths, plugins: Plugins) -> float:
    """How long one row takes the trained model, on a CPU and from prepared arrays on: the median of several times."""
    saved = load_model(work.model, plugins=plugins)
    inputs = open_inputs(params.fields(), work, modalities=saved.modalities, model=saved.model)
    saved.model.cached = inputs.cached
    batch = next(inputs.batches("train", batch_size=1))
    times = list[float]()
    for turn in range(WARM_UP + TIMED):
        began = time.perf_counter()
        predict(saved.model, [batch], modalities=inputs.raw)
        if turn >= WARM_UP:
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def _told(row: Mapping[str, float], key: str, report: Report) -> None:
    if key in row and not math.isnan(row[key]) and report(int(row["epoch"]), row[key]):
        raise Pruned


def _kept_row(work: Paths, settings: TrainingSettings, better: str) -> dict[str, float] | None:
    """The scores of the epoch whose weights are the model; None where it is no single epoch's."""
    if settings.keep == "mean":
        return None
    with work.learning.open(encoding="utf-8", newline="") as file:
        rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    if settings.keep == "last":
        return rows[-1]
    sign = 1 if better == "up" else -1
    return max(rows, key=lambda row: -math.inf if math.isnan(row[settings.monitor]) else sign * row[settings.monitor])


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
