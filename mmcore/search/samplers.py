"""Samplers and pruners by name, and what does not go together, said before anything is trained."""

import warnings

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from mmcore.errors import ConfigError, listing
from mmcore.search.dimensions import Options
from mmcore.search.settings import SearchSettings
from mmcore.search.space import Space

LARGEST_GRID = 100_000


def check(settings: SearchSettings, space: Space, *, objectives: int) -> None:
    """Raises ConfigError where sampler, pruner, space and objectives do not go together."""
    _check_sampler(settings.sampler, space, objectives)
    if settings.folds == 1:
        raise ConfigError(
            "folds=1 would judge a training on the rows that all of them are, with none left to train on. Say folds=2 "
            "or more, or 0 for one training that is judged on the validation rows."
        )
    if settings.pruner not in ("auto", "none") and objectives > 1:
        raise ConfigError(
            f"pruner={settings.pruner} cannot be had with {objectives} objectives: which trial is behind is only "
            "defined for one (Optuna refuses it too). Say pruner=none, or name one objective."
        )
    if settings.pruner == "wilcoxon" and settings.folds < 2:
        raise ConfigError(
            "pruner=wilcoxon compares trials fold by fold, so there must be folds: folds=5. Epochs of one training "
            "are no repeated measurements; for those say pruner=median or hyperband."
        )
    if settings.target is not None and objectives > 1:
        raise ConfigError(f"target={settings.target:g} is for one objective, but there are {objectives}.")


def pruner_of(settings: SearchSettings, *, objectives: int, steps: int) -> BasePruner:
    """steps: how many values a trial reports at most."""
    name = settings.pruner
    if name == "auto":
        name = "none" if objectives > 1 else "wilcoxon" if settings.folds > 1 else "median"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if name == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
        if name == "hyperband":
            return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=max(2, steps), reduction_factor=3)
        if name == "wilcoxon":
            return optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=1)
    return optuna.pruners.NopPruner()


def sampler_of(name: str, *, seed: int) -> BaseSampler:
    """One that draws the next point alone: it is made anew for each, so that a search that was killed and goes on
    draws the same points as one that was not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if name == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        if name == "gp":
            return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        if name == "cmaes":
            return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        if name == "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=20)
    return optuna.samplers.RandomSampler(seed=seed)  # a grid's points are fixed before it is asked


def _check_sampler(name: str, space: Space, objectives: int) -> None:
    if name == "grid":
        if space.endless:
            raise ConfigError(
                f"sampler=grid goes through every point, but {listing(space.endless)} has no end of them. Give each "
                "`choices` or a `step`, or take another sampler: random, tpe."
            )
        if (size := space.size()) > LARGEST_GRID:
            raise ConfigError(f"sampler=grid would be {size:,} points or more. Make the space smaller, or say random.")
    if name == "cmaes":
        words = [one.name for one in space.dimensions if any(isinstance(kind, Options) for kind in one.simple)]
        if words:
            raise ConfigError(
                f"sampler=cmaes takes numbers alone, but {listing(words)} is a choice. Take it out of the space, or "
                "say sampler=tpe."
            )
        if space.conditional:
            raise ConfigError("sampler=cmaes needs the same numbers in every trial; this space has some in a part of "
                              "them. Say sampler=tpe.")  # fmt: skip
        if objectives > 1:
            raise ConfigError(f"sampler=cmaes takes one objective, but there are {objectives}. Say nsga2, tpe or gp.")
    if name == "gp" and space.conditional:
        raise ConfigError(
            "sampler=gp needs the same settings in every trial; this space has some in a part of them (plugins with "
            "ranges of their own, lists of several lengths). Say sampler=tpe."
        )
