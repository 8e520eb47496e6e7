"""Manifest rows as batches."""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from mmcore.data.manifest import Manifest
from mmcore.data.quarantine import broken_rows, read_broken
from mmcore.data.remote import RemoteStore, open_store
from mmcore.errors import ArtifactError
from mmcore.interfaces.field import Batch, Field


class Arrays(Protocol):
    """What a dataset needs of a store."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> np.ndarray:
        """[rows] how long each row's array is, 0 where it has none."""
        ...

    def take(self, rows: np.ndarray) -> Sequence[np.ndarray | None]:
        """The arrays of these manifest rows, None where a row has none."""
        ...


class Missing:
    """A field that no row has."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    @property
    def lengths(self) -> np.ndarray:
        """0 for each row."""
        return np.zeros(self._rows, dtype=np.int64)

    def take(self, rows: np.ndarray) -> list[np.ndarray | None]:
        """Nothing for each row."""
        return [None] * len(rows)


class Collates(Protocol):
    """What a dataset needs of a modality."""

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """Pad arrays to one batch."""
        ...


class Dataset:
    """Fields by name, each with its arrays and the modality that makes a batch of them."""

    def __init__(
        self,
        modalities: Mapping[str, Collates],
        arrays: Mapping[str, Arrays],
        *,
        splits: np.ndarray,
        groups: np.ndarray,
        left_out: frozenset[int] = frozenset(),
    ) -> None:
        """splits: [rows] of texts. groups: [rows] int64. left_out: rows that no split has.

        Raises ArtifactError where a field's arrays are of another manifest.
        """
        for name in modalities:
            if len(arrays[name]) != len(splits):
                raise ArtifactError(
                    f"the store of {name!r} was written for {len(arrays[name])} rows, but the manifest has "
                    f"{len(splits)}. Run `dvc repro`, which encodes them anew."
                )
        self.modalities = dict(sorted(modalities.items()))
        self._arrays = arrays
        self._splits, self._groups = splits, groups
        self._usable = np.ones(len(splits), dtype=bool)
        self._usable[sorted(left_out)] = False

    @classmethod
    def open(
        cls,
        modalities: Mapping[str, Collates],
        stores: Mapping[str, Path],
        *,
        manifest: Path,
        quarantine: Path | None = None,
    ) -> "Dataset":
        """The dataset of an ingested and encoded table.

        modalities: fitted, by field. stores: the folder of each field's arrays. quarantine: rows in it are left out.
        Raises ArtifactError where a file is missing, unfinished or of another manifest.
        """
        rows = Manifest.read(manifest)
        left_out = broken_rows(read_broken(quarantine)) if quarantine is not None else set[int]()
        arrays = {name: open_store(stores[name]) for name in sorted(modalities)}
        return cls(
            modalities,
            arrays,
            splits=rows.splits,
            groups=rows.group_numbers(),
            left_out=frozenset(left_out),
        )

    def __len__(self) -> int:
        """How many manifest rows there are, those that are left out too."""
        return len(self._splits)

    def rows(self, split: str) -> np.ndarray:
        """[n] int64: the usable rows of a split, in order."""
        return np.flatnonzero((self._splits == split) & self._usable)

    def batch(self, rows: np.ndarray, *, filler: int = 0) -> Batch:
        """The collated batch of manifest rows, at least one, in the order given; on the CPU.

        filler: how many of them, at the end, stand for nothing and have no field.
        """
        fields = {name: self._field(name, rows) for name in self.modalities}
        if filler:
            nothing = torch.arange(len(rows) - filler, len(rows))
            fields = {name: replace(field.hide(nothing), padded=field.complete) for name, field in fields.items()}
        return Batch(
            fields,
            row=torch.from_numpy(np.asarray(rows, dtype=np.int64)),
            group=torch.from_numpy(self._groups[rows]),
        )

    @property
    def remote(self) -> bool:
        """Whether arrays of it lie elsewhere, so that `fetch` ahead of `batch` saves waiting."""
        return any(isinstance(self._arrays[name], RemoteStore) for name in self.modalities)

    def fetch(self, rows: np.ndarray) -> None:
        """Have the arrays of these rows at hand that lie elsewhere."""
        for name in self.modalities:
            if isinstance(arrays := self._arrays[name], RemoteStore):
                arrays.fetch(rows)

    def arrays(self, name: str, rows: np.ndarray) -> Sequence[np.ndarray | None]:
        """A field's arrays as they were stored, None where a row has none."""
        return self._arrays[name].take(rows)

    def lengths(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """How long the arrays of these rows are, for each field whose arrays are of several lengths."""
        lengths = {name: np.asarray(self._arrays[name].lengths)[rows] for name in self.modalities}
        return {name: found for name, found in lengths.items() if len(np.unique(found[found > 0])) > 1}

    def only(self, names: Sequence[str]) -> "Dataset":
        """The same rows with some of the fields."""
        part = copy(self)
        part.modalities = {name: self.modalities[name] for name in sorted(names)}
        return part

    def without(self, names: Collection[str]) -> "Dataset":
        """The same rows, none of which has these fields."""
        part = copy(self)
        part._arrays = {**self._arrays, **{name: Missing(len(self)) for name in names}}
        return part

    def _field(self, name: str, rows: np.ndarray) -> Field:
        field = self.modalities[name].collate(self._arrays[name].take(rows))
        return replace(field, complete=bool(field.present.all()))  # asked here, on the CPU, and nowhere later
