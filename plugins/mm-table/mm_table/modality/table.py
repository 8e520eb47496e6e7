"""The modality `table`: several columns of numbers and categories as one field."""

# B = samples of a batch, F = features: numbers first, then categories, each sorted by name

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch

from mm_table.modality.record import (
    Record,
    is_number,
    is_number_label,
    label_of,
    number_label_of,
    number_of,
    record_of,
)
from mm_table.modality.remarks import remark_on
from mm_table.modality.scale import Kind, Scale, known_labels
from mmcore.errors import ArtifactError, ConfigError, DataError, listing, near_miss
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown
from mmcore.interfaces.settings import Range

FILE = "table.json"


class TableModality(Modality):
    """Cells are JSON objects; a field whose `column` is a list has them made of its columns."""

    numbered = ("codes",)

    def __init__(
        self,
        *,
        numbers: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        scale: Kind = "standard",
        min_count: Annotated[int, Range(1, soft_high=20)] = 2,
        infinite: Literal["refuse", "missing"] = "refuse",
    ) -> None:
        """numbers, categories: columns whose kind is not what it looks like. The rest: see conf/modality/table.yaml.

        Raises ConfigError where a column is said to be both.
        """
        super().__init__()
        if both := set(numbers) & set(categories):
            raise ConfigError(f"the modality table has {listing(both)} among numbers and categories: leave out one.")
        self.given = {**dict.fromkeys(numbers, "number"), **dict.fromkeys(categories, "category")}
        self.scale, self.min_count, self.infinite = scale, min_count, infinite
        self._scales: dict[str, Scale] = {}
        self._labels: dict[str, tuple[str, ...]] = {}
        self._codes: dict[str, dict[str, int]] = {}
        self._remarks: tuple[str, ...] = ()

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Which columns are numbers, their scales, and the categories of the others.

        Raises DataError where no cell has a column, ConfigError where a setting names one that no cell has.
        """
        self._take({}, {})
        records = list(self._readable(cells))
        names = sorted({name for columns, _ in records for name in columns})
        if not names:
            raise DataError("there is no cell with columns to learn from.")
        for name in self.given:
            if name not in names:
                raise ConfigError(
                    f"the modality table has no column {name!r}.{near_miss(name, names)} Columns: {listing(names)}."
                )
        scales, labels, remarks = dict[str, Scale](), dict[str, tuple[str, ...]](), list[str | None]()
        for name in names:
            values = [record[name] for _, record in records if name in record]
            seems = "number" if values and all(map(is_number, values)) else "category"
            if self.given.get(name, seems) == "number":
                scales[name] = Scale.of([float(value) for value in values], self.scale)
            else:
                labels[name] = known_labels([label_of(value) for value in values], min_count=self.min_count)
                remarks.append(remark_on(name, values, min_count=self.min_count, meant=name in self.given))
        self._take(scales, labels)
        self._remarks = tuple(remark for remark in remarks if remark is not None)

    def save(self, folder: Path) -> None:
        """table.json."""
        learned = {
            "numbers": {name: scale.to_json() for name, scale in self._scales.items()},
            "categories": self._labels,
            "remarks": self._remarks,
        }
        text = json.dumps(learned, sort_keys=True, ensure_ascii=False, indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """From table.json. Raises ArtifactError where it is not there."""
        made = cls(**settings)
        try:
            found = json.loads((folder / FILE).read_text(encoding="utf-8"))
            scales = {name: Scale.from_json(scale) for name, scale in found["numbers"].items()}
            made._take(scales, {name: tuple(labels) for name, labels in found["categories"].items()})
            made._remarks = tuple(found.get("remarks", ()))  # those that were written before there were any
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{folder / FILE} cannot be used ({error}): run the fit stage again.") from error
        return made

    def facts(self) -> Mapping[str, Any]:
        """`numbers` and `categories`, their names; `cardinalities`, how many codes each category has; `codes`, what
        each of all of them means, 0 of a category being what was never seen.
        """
        return {
            "numbers": tuple(self._scales),
            "categories": tuple(self._labels),
            "cardinalities": tuple(len(labels) + 1 for labels in self._labels.values()),
            "codes": tuple(f"{name}={label}" for name, labels in self._labels.items() for label in ("", *labels)),
        }

    def remarks(self) -> Sequence[str]:
        """Columns that are taken for categories, and may be meant otherwise."""
        return self._remarks

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """float32 [F,2]: the value as encoders see it (a missing number: the median; a category: its code, 0 where it
        was never seen), and 1 where it is known.
        """
        columns, record = self._usable(cell)
        for name in columns:
            if name not in self._scales and name not in self._labels:
                known = [*self._scales, *self._labels]
                raise DataError(f"{cell!r} has a column {name!r}.{near_miss(name, known)} Known: {listing(known)}.")
        pairs = list[tuple[float, bool]]()
        for name, scale in self._scales.items():
            number = float(record[name]) if name in record else scale.median
            pairs.append((scale(number), name in record))
        for name in self._codes:
            pairs.append((self._code(name, label_of(record[name])) if name in record else 0, name in record))
        return np.array(pairs, dtype=np.float32)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """[B,F,2]; zeros where absent."""
        present = torch.tensor([array is not None for array in arrays])
        blank = np.zeros((len(self._scales) + len(self._labels), 2), dtype=np.float32)
        return Field(torch.from_numpy(np.stack([blank if array is None else array for array in arrays])), present)

    def show(self, array: np.ndarray) -> Shown:
        """Every column with its value, as far as it is known."""
        said = list[str]()
        readers = [*self._scales.items(), *self._labels.items()]
        for (name, reader), (value, known) in zip(readers, array.tolist(), strict=True):
            if not known:
                said.append(f"{name} missing")
            elif isinstance(reader, Scale):
                said.append(f"{name} {reader.back(value):.4g}")
            else:
                said.append(f"{name} {('never seen', *reader)[int(value)]}")
        return "text", ", ".join(said)

    def _usable(self, cell: Cell) -> tuple[list[str], Record]:
        """The names of all columns, and the values that can be used."""
        columns, record = record_of(cell)
        for name in columns:
            if name in record and self._is_number(name, record[name]):
                number = number_of(record[name], name, cell)
                if math.isinf(number) and self.infinite == "refuse":
                    raise DataError(f"{cell!r}: column {name!r} is {number}. Mend it, or set infinite: missing.")
                if not math.isfinite(number):
                    del record[name]
        return columns, record

    def _code(self, name: str, label: str) -> int:
        """In use a cell is the text that stands there: a column of numbers had 1 for 1.0. In texts 1.10 is not 1.1."""
        return self._codes[name].get(number_label_of(label) if name in self._numbered else label, 0)

    def _is_number(self, name: str, value: Any) -> bool:
        return is_number(value) or name in self._scales or self.given.get(name) == "number"

    def _readable(self, cells: Iterable[Cell]) -> Iterator[tuple[list[str], Record]]:
        for cell in cells:
            try:
                yield self._usable(cell)
            except DataError:
                continue  # the encode stage puts it into quarantine

    def _take(self, scales: Mapping[str, Scale], labels: Mapping[str, tuple[str, ...]]) -> None:
        self._scales = {name: scales[name] for name in sorted(scales)}
        self._labels = {name: labels[name] for name in sorted(labels)}
        self._numbered = {name for name, known in self._labels.items() if all(map(is_number_label, known))}
        self._codes = {
            name: {label: code for code, label in enumerate(known, start=1)} for name, known in self._labels.items()
        }
