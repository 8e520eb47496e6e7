"""A project in a folder: rows in a JSON file, files beside it, and the stages that prepare them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore.config.params import Params
from mmcore.data.manifest import Manifest
from mmcore.errors import DataError
from mmcore.interfaces.field import Field
from mmcore.interfaces.source import Row, Source
from mmcore.registry.plugins import Plugins
from mmcore.stages import encode, fit, ingest, join
from mmcore.stages.paths import Paths
from mmcore.testing.toys.modalities import ToyModality


class RowsSource(Source):
    """Rows from a JSON file that holds a list; NaN is allowed there."""

    def __init__(self, *, path: str) -> None:
        self.path = Path(path)

    @property
    def base(self) -> Path:
        return self.path.parent

    @property
    def watch(self) -> Sequence[str]:
        return [str(self.path)]

    def columns(self) -> Sequence[str]:
        return json.loads(self.path.read_text())["columns"]

    def rows(self) -> Iterator[Row]:
        yield from json.loads(self.path.read_text())["rows"]


class BlobModality(ToyModality):
    """A file's bytes; one that begins with `broken` cannot be read. Facts: what fit was given."""

    files = True

    def fit(self, cells, base):
        self._facts = {"seen": sorted(map(str, cells))}

    def read(self, cell, base):
        content = (base / str(cell)).read_bytes()
        if content.startswith(b"broken"):
            raise DataError("this is no blob.", path=base / str(cell))
        if content.startswith(b"crash"):
            raise RuntimeError("the plugin has a fault")
        return np.frombuffer(content, dtype=np.uint8)

    def collate(self, arrays):
        values = torch.tensor([0 if array is None else len(array) for array in arrays])
        return Field(values, torch.tensor([array is not None for array in arrays]))


class WordModality(ToyModality):
    """A class; one that the training split does not have cannot be read. Facts: classes, cells."""

    def fit(self, cells, base):
        found = list(cells)
        if not found:
            raise DataError("no cell to learn from.")
        self._facts = {"classes": sorted(set(map(str, found))), "cells": len(found)}

    def read(self, cell, base):
        if str(cell) not in self._facts["classes"]:
            raise DataError(f"class {str(cell)!r} does not occur in the training split.")
        return np.array(self._facts["classes"].index(str(cell)))

    def collate(self, arrays):
        values = torch.tensor([0 if array is None else int(array) for array in arrays])
        return Field(values, torch.tensor([array is not None for array in arrays]))


def plugins() -> Plugins:
    """Registries that know only the parts above."""
    parts = {
        "mmcore.sources": {"rows": "RowsSource"},
        "mmcore.modalities": {"blob": "BlobModality", "word": "WordModality"},
    }
    return Plugins.of(
        lambda group: [EntryPoint(name, f"{__name__}:{kind}", group) for name, kind in parts.get(group, {}).items()]
    )


@dataclass
class Project:
    """Its settings may be changed before a stage runs; rows and files may be added."""

    root: Path
    data: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.paths = Paths(self.root)
        self.folder = self.root / "data"
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {"source": {"name": "rows", "path": str(self.folder / "rows.json")}, "code": "x", "watch": "x"}
        self.data = {**settings, "split": {"column": "split", "validation": 0.0}, "max_broken": 0.0} | self.data

    def field(self, name: str, modality: str, *, column: str | None = None, target: bool = False) -> None:
        """Add a field."""
        encoder = None if target else {"name": "any"}
        self.fields[name] = {
            "column": column or name,
            "modality": {"name": modality},
            "fit": [name],
            "code": "x",
            "encoder": encoder,
            "package": None,
        }

    def rows(self, rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str] | None = None) -> None:
        """Write the table; `split` is train where a row does not say."""
        full = [{"split": "train", **row} for row in rows]
        names = list(dict.fromkeys(name for row in full for name in row)) if columns is None else list(columns)
        (self.folder / "rows.json").write_text(json.dumps({"columns": names, "rows": full}))

    def file(self, name: str, content: bytes) -> str:
        """Write a file into the data folder; its cell."""
        (self.folder / name).write_bytes(content)
        return name

    def params(self, reads: Sequence[str], name: str = "") -> Params:
        """What a stage may see."""
        return Params({"data": self.data, "fields": self.fields}, [key.format(field=name) for key in reads])

    def ingest(self) -> Manifest:
        """Run ingest; its manifest."""
        ingest.run(self.params(ingest.READS), self.paths, plugins=plugins())
        return Manifest.read(self.paths.manifest)

    def fit(self, name: str) -> dict[str, Any]:
        """Run fit; what was learned."""
        fit.run(self.params(fit.READS, name), self.paths, field=name, plugins=plugins())
        return json.loads((self.paths.fit(name) / "facts.json").read_text())

    def encode(self, name: str) -> None:
        """Run encode."""
        encode.run(self.params(encode.READS, name), self.paths, field=name, plugins=plugins())

    def join(self) -> dict[str, Any]:
        """Run join; inputs.json."""
        join.run(self.params(join.READS), self.paths)
        return json.loads(self.paths.inputs.read_text())

    def prepare(self) -> dict[str, Any]:
        """Every stage; inputs.json."""
        self.ingest()
        for name in self.fields:
            self.fit(name)
            self.encode(name)
        return self.join()

    def refused(self) -> dict[str, str]:
        """Id -> reason of what ingest refused."""
        lines = map(json.loads, self.paths.refused.read_text().splitlines())
        return {line["id"]: line["reason"] for line in lines}


def pictures(root: Path, *, samples: int = 6, **data: Any) -> Project:
    """A project with the fields image (a file) and label, all files different."""
    project = Project(root, data)
    project.field("image", "blob")
    project.field("label", "word", target=True)
    rows = [{"image": project.file(f"{n}.bin", b"picture %d" % n), "label": "ab"[n % 2]} for n in range(samples)]
    project.rows(rows)
    return project


def texts(root: Path, rows: Sequence[Mapping[str, Any]], **data: Any) -> Project:
    """A project with the one field `text`."""
    project = Project(root, data)
    project.field("text", "word")
    project.rows(rows)
    return project
