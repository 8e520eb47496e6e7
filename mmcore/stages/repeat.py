"""repeat@RUN: the training once more, with another seed or on other rows, and what came of it."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from mmcore.config.params import Params
from mmcore.config.pretrain import PretrainSettings
from mmcore.config.repeats import RepeatSettings
from mmcore.data.files import digest_of_folder
from mmcore.data.folds import in_folds
from mmcore.data.manifest import Manifest
from mmcore.errors import ConfigError
from mmcore.registry.plugins import Plugins, installed
from mmcore.runtime.companions import is_first
from mmcore.stages import encode, evaluate, features, fit, join, pretrain, train
from mmcore.stages.fitting import launch_for
from mmcore.stages.paths import Paths
from mmcore.training.settings import TrainingSettings

READS = (
    "data.source", "data.id", "data.max_broken", "fields", "fusion", "tasks", "model", "training", "pretrain",
    "evaluation", "repeats.runs.{run}",
)  # fmt: skip
DEVICES = "training.devices"
"""Where the number of processes stands that run this stage together."""


def run(params: Params, paths: Paths, *, run: str, plugins: Plugins | None = None) -> None:
    """Write metrics.json, predictions.parquet and learning.csv into repeats/RUN.

    Works in a folder of its own beside the checkpoints, which goes when it is done; the model is not kept.
    Raises ConfigError where it would be the training that is kept, once more.
    """
    plugins = plugins or installed()
    settings = params.get(f"repeats.runs.{run}", RepeatSettings)
    if settings.fold is None and settings.seed == params.get("training.seed", int):
        raise ConfigError(
            f"repeats.runs.{run} has the seed of the model that is kept, so it would say nothing of chance. Where "
            "training.seed was changed by hand, have the runs written anew: mm compose training.seed=..."
        )
    seeded = params.with_value("training.seed", settings.seed)
    folder = f".mm/repeats/{run}"
    work = replace(paths, results=folder) if settings.fold is None else replace(paths, results=folder, prepared=folder)
    fabric = launch_for(seeded.get("training", TrainingSettings))
    if is_first():
        _prepare(seeded, paths, work, settings=settings, plugins=plugins)
    fabric.barrier()
    for name in seeded.get("pretrain", PretrainSettings).runs:
        seeded = seeded.with_value(f"pretrain.runs.{name}.seed", settings.seed)
        pretrain.run(seeded, work, run=name, plugins=plugins)
    train.run(seeded, work, plugins=plugins)
    if not is_first():
        return
    evaluate.run(judged_on_test(seeded) if settings.fold is not None else seeded, work, plugins=plugins)
    target = paths.repeat(run)
    target.mkdir(parents=True, exist_ok=True)
    for path in (work.metrics, work.predictions, work.learning):
        shutil.copyfile(path, target / path.name)
    shutil.rmtree(paths.root / folder)


def _prepare(seeded: Params, paths: Paths, work: Paths, *, settings: RepeatSettings, plugins: Plugins) -> None:
    """What the trainings start from, in the repeat's own folder."""
    shutil.rmtree(paths.root / work.results, ignore_errors=True)
    if settings.fold is not None:
        prepare_fold(seeded, paths, work, settings=settings, fold=settings.fold, plugins=plugins)
    for name in seeded.fields():
        features.run(under(seeded, features.READS, name), work, field=name, plugins=plugins)
    if settings.fold is not None:
        join.run(seeded, work)


def prepare_fold(
    params: Params, paths: Paths, work: Paths, *, settings: RepeatSettings, fold: int, plugins: Plugins
) -> None:
    """Rows with splits of their own, and what each modality learns from those that it may see."""
    rows = in_folds(
        Manifest.read(paths.manifest), fold=fold, folds=settings.folds, seed=settings.seed, stratify=settings.stratify
    )
    work.manifest.parent.mkdir(parents=True, exist_ok=True)
    rows.write(work.manifest)
    shutil.copyfile(paths.refused, work.refused)
    for name in params.fields():
        fit.run(under(params, fit.READS, name), work, field=name, plugins=plugins)
        if digest_of_folder(work.fit(name)) == digest_of_folder(paths.fit(name)):
            linked(paths.store(name), work.store(name))  # the same rows, read in the same way
        else:
            encode.run(under(params, encode.READS, name), work, field=name, plugins=plugins)


def under(params: Params, reads: tuple[str, ...], field: str) -> Params:
    """What a stage of one field may see."""
    return Params(params.values, [key.format(field=field) for key in reads])


def judged_on_test(params: Params) -> Params:
    """A fold's own rows are its test split, whatever split the model that is kept is judged on."""
    return params.with_value("evaluation.split", "test")


def linked(source: Path, target: Path) -> None:
    """A folder of files that are only read, without a second copy of them where the disk allows it."""
    try:
        shutil.copytree(source, target, copy_function=os.link)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
