"""Two model folders on the same rows of today's test split; what `mm compare` and every retraining look at."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from mmcore.config.params import Params
from mmcore.data.dataset import Arrays, Dataset, Missing
from mmcore.data.live import LiveArrays
from mmcore.data.loader import Loader
from mmcore.data.manifest import Manifest
from mmcore.data.marks import SEEN, marks_of, read_marks, seen
from mmcore.data.quarantine import broken_rows, read_broken
from mmcore.errors import ArtifactError, BuildError, ConfigError, DataError, PluginError, listing
from mmcore.evaluation.compare import Bootstrap, Paired, compare
from mmcore.evaluation.predict import Judged, predict
from mmcore.evaluation.settings import EvaluationSettings
from mmcore.evaluation.slices import parts_of
from mmcore.interfaces.metric import Metric
from mmcore.model.folder import Saved, load_model
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.memory import keep_freed_memory
from mmcore.stages import todays
from mmcore.stages.paths import Paths
from mmcore.stages.todays import Today

READS = (*todays.READS, "evaluation", "training.monitor")


@dataclass(frozen=True)
class Compared:
    """Every score of both models on the rows that neither has an advantage on."""

    metric: str
    """`training.monitor`, or what stands for it."""
    scores: Mapping[str, Paired]
    """By `task/metric`."""
    slices: Mapping[str, Paired]
    """The watched score by `COLUMN=VALUE`."""
    split: str
    n: int
    rows: str
    """Digest of the ids and contents that were compared."""
    left_out: Mapping[str, int]
    """Rows of the split that do not count, by why."""
    known: Sequence[str]
    """Every score of the second model, by `task/metric`, also those that could not be compared."""
    edited: Sequence[str]
    """What was made with other code of a plugin from outside: it may have been better than it looks here."""
    notes: list[str] = field(default_factory=list)


def run(params: Params, paths: Paths, *, champion: Path, challenger: Path, plugins: Plugins | None = None) -> Compared:
    """Compare two model folders.

    Raises ArtifactError where one cannot be loaded (its plugin is gone, another version), DataError where no row is
    left, ArtifactError where the models have no score in common.
    """
    plugins = plugins or installed()
    settings, metric = params.get("evaluation", EvaluationSettings), params.get("training.monitor", str)
    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    today, notes = Today.read(params, paths, plugins), list[str]()
    old, new = (Rival.open(folder, today, notes, plugins=plugins) for folder in (champion, challenger))
    rows, left_out = fair_rows(old, new, today, quarantine=paths.quarantine, split=settings.split)
    rows, first = _judged_by_old(old, today, rows, settings, left_out=left_out)
    judged = [first, _judge(new, today.source.base, rows, settings)[0]]
    pairs, metric = _in_common(old.saved, new.saved, metric, notes=notes)
    edited = [
        f"{one.folder} was made with other code of {listing(map(str, one.saved.edited))}."
        for one in (old, new)
        if one.saved.edited
    ]
    bootstrap = Bootstrap(settings.confidence, settings.resamples, settings.seed)
    scores = dict[str, Paired]()
    for name, metrics in pairs.items():
        task = name.partition("/")[0]
        found = _of(judged[0][task], judged[1][task], metrics, np.ones(len(rows), dtype=bool), bootstrap)
        if found is not None:
            scores[name] = found
    if metric not in scores:
        raise DataError(f"{metric} is not defined on the {len(rows)} rows that both models can be judged on.")
    task = metric.partition("/")[0]
    slices = {
        name: found
        for name, keep in parts_of(today.manifest.slices, rows)
        if (found := _of(judged[0][task], judged[1][task], pairs[metric], keep, bootstrap)) is not None
    }
    marks = new.marks[rows, :2]
    digest = hashlib.sha256(np.ascontiguousarray(marks).tobytes()).hexdigest()[:24]
    return Compared(
        metric, scores, slices, settings.split, len(rows), digest, left_out, sorted(scores_of(new.saved)), edited, notes
    )


def open_model(folder: Path, plugins: Plugins) -> Saved:
    """A model folder. Raises ArtifactError that names the folder, whatever is wrong with it or its plugins."""
    try:
        return load_model(folder, plugins=plugins)
    except (PluginError, ConfigError, BuildError) as error:
        raise ArtifactError(
            f"{folder} cannot be loaded: {error} Install what made it, or promote the new model by hand."
        ) from error


@dataclass(frozen=True)
class Rival:
    """One of the two models, and today's rows in its words."""

    folder: Path
    saved: Saved
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path, today: Today, notes: list[str], *, plugins: Plugins) -> "Rival":
        """Raises ArtifactError where it cannot be loaded, DataError where today's data lacks what it looks at."""
        saved = open_model(folder, plugins)
        if read_marks(folder) is None:
            notes.append(f"{folder} does not say which rows it was trained on: the split is trusted.")
        return cls(folder, saved, today.of(saved, notes))

    @cached_property
    def marks(self) -> np.ndarray:
        """Of every row, as `marks_of` makes them of what the model looks at; the last ones are of ids."""
        return marks_of(self.manifest, sorted(self.saved.plan.encoders))

    def saw(self, rows: np.ndarray, *, named: bool) -> np.ndarray:
        """[n] bool: whether it was trained on them. named: False: ids merely count the rows."""
        return seen((self.marks if named else self.marks[:, :-1])[rows], read_marks(self.folder))


def fair_rows(
    old: Rival, new: Rival, today: Today, *, quarantine: Path, split: str
) -> tuple[np.ndarray, dict[str, int]]:
    """The rows of the split that count, and how many do not, by why.

    A row that a model was trained on, by content, file, id or group, is no test of it. Where both were because the same
    content stands on both sides of a split that today's data itself names, neither has an advantage, and it counts. So
    does a row that is in quarantine for its target alone: a class that the new model does not know.
    Raises DataError where none is left.
    """
    broken = broken_rows(one for one in read_broken(quarantine) if one.field not in today.targets)
    rows, named = today.manifest.rows(split), today.id is not None
    kept = rows[~np.isin(rows, np.array(sorted(broken), dtype=np.int64))]
    trained_on = [one.saw(kept, named=named) for one in (old, new)]
    contents = new.marks[:, 1]
    repeated = np.isin(contents[kept], contents[np.isin(today.manifest.splits, SEEN)])
    unfair = (trained_on[0] | trained_on[1]) & ~(trained_on[0] & trained_on[1] & repeated)
    left_out = {
        "in quarantine": len(rows) - len(kept),
        "trained on by the model in use": int((trained_on[0] & unfair).sum()),
        "trained on by the new model": int((trained_on[1] & ~trained_on[0] & unfair).sum()),
    }
    if unfair.all():
        why = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
        raise DataError(f"no row of the {split} split is left to compare on ({why or 'it is empty'}).")
    return kept[~unfair], {reason: count for reason, count in left_out.items() if count}


def _judged_by_old(
    old: Rival, today: Today, rows: np.ndarray, settings: EvaluationSettings, *, left_out: dict[str, int]
) -> tuple[np.ndarray, dict[str, Judged]]:
    """The rows that the model in use can read, and what it says of them; the others are counted in `left_out`.

    What it learned may refuse a cell of today (a text where it knew numbers), and it would be judged blind there.
    Raises DataError where it can read none.
    """
    found, refused = _judge(old, today.source.base, rows, settings, forgiving=True)
    if not len(refused):
        return rows, found
    left_out["cannot be read by the model in use"] = len(refused)
    rows = rows[~np.isin(rows, refused)]
    if not len(rows):
        raise DataError(f"{old.folder} can read none of today's rows. Promote the new model by hand.")
    return rows, _judge(old, today.source.base, rows, settings, forgiving=True)[0]


def _judge(
    rival: Rival, base: Path, rows: np.ndarray, settings: EvaluationSettings, *, forgiving: bool = False
) -> tuple[dict[str, Judged], np.ndarray]:
    """What a model says of the rows, its own modalities reading them: tokenizers and classes are those it came with.

    forgiving: what it looks at and cannot read counts as missing, and these rows are told beside.
    """
    saved, manifest = rival.saved, rival.manifest
    arrays, looked_at = dict[str, Arrays](), list[LiveArrays]()
    for name, modality in saved.modalities.items():
        if name not in manifest.columns:
            arrays[name] = Missing(len(manifest))
            continue
        cells, seen = manifest.cells(name), name in saved.model.owners
        # Of a target that may be a class it does not know; of what it looks at, it would be judged blind.
        live = LiveArrays(modality, cells, base, forgiving=forgiving or not seen, who=str(rival.folder))
        arrays[name] = live
        if seen:
            looked_at.append(live)
    dataset = Dataset(saved.modalities, arrays, splits=manifest.splits, groups=manifest.group_numbers())
    batches = Loader(dataset, rows, batch_size=settings.batch_size)
    judged = predict(saved.model, batches, modalities=saved.modalities, write=settings.write)
    refused = sorted(set[int]().union(*(live.refused for live in looked_at)))
    return judged, np.array(refused, dtype=np.int64)


def scores_of(saved: Saved) -> dict[str, Metric]:
    """The scores that a model has, by `task/metric`."""
    tasks = saved.model.each_task()
    return {f"{name}/{key}": metric for name, task in tasks.items() for key, metric in task.metrics().items()}


def _in_common(
    first: Saved, second: Saved, watched: str, *, notes: list[str]
) -> tuple[dict[str, tuple[Metric, Metric]], str]:
    """The scores that both models have, by `task/metric`, and the one to judge by: the watched one, or what stands for
    it where it counts tokens and the models cut texts into others.

    Raises ArtifactError where they share none to judge by.
    """
    ours, theirs = scores_of(first), scores_of(second)
    pairs = {name: (ours[name], metric) for name, metric in theirs.items() if name in ours}
    if watched not in pairs:
        raise ArtifactError(f"{_who_lacks(watched, ours, theirs)} They have in common: {listing(pairs)}.")
    tokens, judged_by = (_tokens(first), _tokens(second)), watched
    for name, (_, metric) in list(pairs.items()):
        task, instead = name.partition("/")[0], metric.across_tokenizers
        if instead is None or tokens[0][task] == tokens[1][task]:
            continue
        told = f"{name} counts tokens, and the models cut texts into others, so that it compares nothing"
        if name == watched and f"{task}/{instead}" not in pairs:
            raise ArtifactError(f"{told}. {_who_lacks(f'{task}/{instead}', ours, theirs)}")
        if name == watched:
            judged_by = f"{task}/{instead}"
            told = f"{told}: they are judged by {judged_by}"
        notes.append(f"{told}.")
        del pairs[name]
    return pairs, judged_by


def _who_lacks(name: str, ours: Collection[str], theirs: Collection[str]) -> str:
    """Which of the models has no such score, and what to do."""
    task, _, key = name.partition("/")
    if name not in theirs:
        return f"The new model has no {name}: name {key} in tasks.{task}.metrics."
    assert name not in ours, "one of them lacks it"
    return f"The model in use has no {name}: promote the new one by hand, once, or judge by a score that both have."


def _tokens(saved: Saved) -> dict[str, list[tuple[str, ...]]]:
    """By task: what the numbers of each of its targets read as; nothing of what is no text."""
    facts = {name: modality.facts() for name, modality in saved.modalities.items()}
    tasks = saved.model.each_task()
    return {name: [tuple(facts[field].get("tokens", ())) for field in task.targets] for name, task in tasks.items()}


def _of(
    first: Judged, second: Judged, metrics: tuple[Metric, Metric], keep: np.ndarray, bootstrap: Bootstrap
) -> Paired | None:
    able = all(
        set(metric.needs) <= set(judged.predictions) for metric, judged in zip(metrics, (first, second), strict=True)
    )
    if not able:
        return None
    return compare(first, second, metrics, keep=keep, bootstrap=bootstrap)
