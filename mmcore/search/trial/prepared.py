"""What trials share: rows, fits, arrays and features, each made once however many trials want it."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mmcore.config.params import Params, look_up
from mmcore.config.repeats import RepeatSettings
from mmcore.data.files import digest_of_folder
from mmcore.data.writing import json_text
from mmcore.registry.plugins import Plugins
from mmcore.stages import encode, features, fit, join
from mmcore.stages.paths import Paths
from mmcore.stages.repeat import prepare_fold


@dataclass(frozen=True)
class Shared:
    """The project's prepared data, and a folder beside it for what some trial wants otherwise."""

    root: Path
    folder: str
    """Under the root: where what is made for trials lies."""
    base: Mapping[str, Any]
    """The params.yaml that artifacts/ was made with."""
    plugins: Plugins

    @cached_property
    def project(self) -> Paths:
        return Paths(self.root)

    def rows(self, values: Mapping[str, Any], *, fold: RepeatSettings | None = None) -> Paths:
        """Paths whose `prepared` holds rows, fits and arrays for these settings; artifacts/ where nothing differs."""
        paths = self.project
        differing = [name for name in sorted(values["fields"]) if not self._same(values, name, fit.READS, encode.READS)]
        if differing:
            key = _digest([_read(values, name, fit.READS + encode.READS) for name in sorted(values["fields"])])
            target = f"{self.folder}/rows-{key}"
            self._once(target, lambda at: self._rows(values, differing, Paths(self.root, prepared=at, results=at)))
            paths = replace(paths, prepared=target)
        if fold is None:
            return paths
        key = _digest([paths.prepared, fold.seed, fold.fold, fold.folds, fold.stratify])
        target = f"{self.folder}/fold-{key}"
        self._once(target, lambda at: self._fold(values, paths, fold, Paths(self.root, prepared=at, results=at)))
        return replace(paths, prepared=target)

    def features(self, values: Mapping[str, Any], work: Paths) -> None:
        """Fill features/ of the results with what there is for these settings; computed where it is not there yet."""
        for name in sorted(values["fields"]):
            source = self._features(values, name, work)
            target = work.features(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_symlink():
                target.symlink_to(source.resolve(), target_is_directory=True)

    def _features(self, values: Mapping[str, Any], name: str, work: Paths) -> Path:
        own = work.prepared == self.project.prepared
        same = self._same(values, name, features.READS)
        if own and same:
            return self.project.features(name)
        learned = digest_of_folder(work.fit(name))
        if same and learned == digest_of_folder(self.project.fit(name)):
            return self.project.features(name)
        key = _digest([_read(values, name, features.READS), learned])
        target = f"{self.folder}/features-{key}"

        def make(at: str) -> None:
            params = Params(values, [each.format(field=name) for each in features.READS])
            features.run(params, replace(work, results=at), field=name, plugins=self.plugins)

        self._once(target, make)
        return Paths(self.root, results=target).features(name)

    def _rows(self, values: Mapping[str, Any], differing: list[str], work: Paths) -> None:
        """The same rows, with some fields fitted and encoded anew."""
        work.manifest.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.project.manifest, work.manifest)
        shutil.copyfile(self.project.refused, work.refused)
        for name in sorted(values["fields"]):
            if name in differing:
                for stage in (fit, encode):
                    params = Params(values, [key.format(field=name) for key in stage.READS])
                    stage.run(params, work, field=name, plugins=self.plugins)
            else:
                work.fit(name).parent.mkdir(parents=True, exist_ok=True)
                work.fit(name).symlink_to(self.project.fit(name).resolve(), target_is_directory=True)
                work.store(name).symlink_to(self.project.store(name).resolve(), target_is_directory=True)
        join.run(Params(values, join.READS), work)

    def _fold(self, values: Mapping[str, Any], paths: Paths, fold: RepeatSettings, work: Paths) -> None:
        keys = ("data.source", "data.max_broken", "fields")
        params = Params(values, keys)
        assert fold.fold is not None, "a fold has a number"
        prepare_fold(params, paths, work, settings=fold, fold=fold.fold, plugins=self.plugins)
        join.run(params, work)

    def _same(self, values: Mapping[str, Any], name: str, *reads: tuple[str, ...]) -> bool:
        return all(_read(values, name, keys) == _read(self.base, name, keys) for keys in reads)

    def _once(self, target: str, make: Callable[[str], None]) -> None:
        """Have `make` fill a folder, whole or not at all, by one process alone."""
        final = self.root / target
        if final.is_dir():
            return
        with _held(final.with_name(f"{final.name}.lock")):
            if final.is_dir():
                return
            part = f"{target}.part"
            shutil.rmtree(self.root / part, ignore_errors=True)
            make(part)
            os.replace(self.root / part, final)


def _read(values: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: look_up(values, key.format(field=name)) for key in keys}


def _digest(value: Any) -> str:
    return hashlib.sha256(json_text(value).encode()).hexdigest()[:16]


@contextmanager
def _held(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
