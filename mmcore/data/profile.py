"""What rows look like, field by field, in a few numbers: kept with a model, to hold later rows against it."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcore.data.arrow import from_numpy
from mmcore.data.cells import Columns, compared
from mmcore.data.column import AT_ONCE, Column
from mmcore.data.manifest import Manifest
from mmcore.data.pile import Pile
from mmcore.interfaces.modality import Cell

FILE = "profile.json"
LABELS = 50
"""Distinct values up to which a field is taken for labels."""
STEPS = 20
"""Quantiles kept of numbers and of lengths: STEPS + 1."""


@dataclass(frozen=True)
class Change:
    """How far a field of new rows lies from that of old ones."""

    field: str
    what: str
    """`missing`, `labels`, `numbers` or `lengths`."""
    then: str
    now: str
    distance: float
    """Between the two distributions, 0 to 1: total variation of shares, else Kolmogorov's distance."""
    limit: float
    """What is remarkable: more than 0.1, and more than chance gives in one of a thousand comparisons."""

    @property
    def drifted(self) -> bool:
        """Whether it is remarkable."""
        return self.distance > self.limit


def profile_of(
    manifest: Manifest, rows: np.ndarray, fields: Mapping[str, Columns], *, like: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Field, or FIELD.COLUMN where it is made of several -> how many rows, the share of missing cells, and the shares
    of labels or the quantiles of numbers or of the texts' lengths.

    like: an earlier profile; what was labels, numbers or lengths there is so here, however many distinct values it has,
    and a text among numbers counts as missing.
    """
    found, before = dict[str, Any](), like or {}
    for name, columns in sorted(fields.items()):
        cells = Chosen(manifest.column(name), rows)
        if manifest.column(f"hash:{name}").null_count < len(manifest):  # of files the names say nothing
            found[name] = _missing(cells)
        elif isinstance(columns, str):
            found[name] = _profile(cells, before.get(name, {}))
        else:
            for column, part in _unpacked(cells, columns).items():
                key = f"{name}.{column}"
                found[key] = _profile(part, before.get(key, {}))
    return found


@dataclass(frozen=True)
class Chosen:
    """The cells of some rows: walked through as often as need be, a thousand of them at a time in memory."""

    column: Any
    """pyarrow.Array or ChunkedArray"""
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Cell | None]:
        for start in range(0, len(self.rows), AT_ONCE):
            yield from self.column.take(from_numpy(self.rows[start : start + AT_ONCE])).to_pylist()

    def there(self) -> Iterator[Cell]:
        """Those that are not missing."""
        return (cell for cell in self if cell is not None)


def _unpacked(cells: Chosen, columns: Sequence[str]) -> dict[str, Chosen]:
    """Of cells that hold several columns each of these; a cell is taken apart once for all of them."""
    pile = Pile()
    laid = {column: Column(pile) for column in columns}
    for cell in cells:
        parts = {} if cell is None else json.loads(str(cell))
        for column, values in laid.items():
            values.append(parts.get(column))
    return {column: Chosen(values.finish(), np.arange(len(cells))) for column, values in laid.items()}


def _missing(cells: Chosen, there: int | None = None) -> dict[str, Any]:
    """there: how many are not missing; counted where it is not given."""
    there = sum(1 for _ in cells.there()) if there is None else there
    return {"rows": len(cells), "missing": (len(cells) - there) / len(cells) if len(cells) else 0.0}


def _profile(cells: Chosen, like: Mapping[str, Any]) -> dict[str, Any]:
    if "numbers" in like:
        return _profile_of_numbers(cells)
    found = _missing(cells)
    if found["missing"] == 1.0 or not len(cells):
        return found
    if "lengths" not in like:
        counts = _counts(cells.there(), most=None if "labels" in like else LABELS)
        if counts is not None:
            count = sum(counts.values())
            return found | {"labels": {label: counts[label] / count for label in sorted(counts)}}
    numbers = None if "lengths" in like else _numbers(cells.there())
    if numbers is None:
        lengths = np.fromiter((len(_spelled(cell)) for cell in cells.there()), np.float64)
        return found | {"lengths": _quantiles(lengths)}
    return found | {"numbers": _quantiles(numbers)}


def _profile_of_numbers(cells: Chosen) -> dict[str, Any]:
    """A text among them ("n/a") is a number that is missing: it must not hide where the others have gone."""
    numbers = np.fromiter((one for one in map(_number, cells.there()) if one is not None), np.float64)
    found = _missing(cells, len(numbers))
    return found | {"numbers": _quantiles(numbers)} if len(numbers) else found


def _counts(cells: Iterable[Cell], *, most: int | None) -> Counter[str] | None:
    """How often each stands there; None where more than `most` different ones do."""
    counts = Counter[str]()
    for cell in cells:
        counts[_spelled(cell)] += 1
        if most is not None and len(counts) > most:
            return None
    return counts


def _spelled(cell: Cell) -> str:
    """A number in one spelling: a new cell that re-types its column makes 9 of 9.0, which is no drift."""
    counted = compared(cell)
    return str(cell if counted is None else counted)


def _numbers(cells: Iterable[Cell]) -> np.ndarray | None:
    """None where one of them is a text."""
    try:
        return np.fromiter(map(float, cells), np.float64)
    except ValueError:
        return None


def _number(cell: Cell) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _quantiles(values: np.ndarray) -> list[float]:
    finite = values[np.isfinite(values)]
    found = np.quantile(finite if len(finite) else np.zeros(1), np.linspace(0, 1, STEPS + 1))
    return [float(value) for value in found]


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Every field that both have, the most changed first."""
    found = list[Change]()
    for name in sorted(set(then) & set(now)):
        old, new = then[name], now[name]
        sizes = (old["rows"], new["rows"])
        gone = (old["missing"], new["missing"])
        told = [f"{share:.1%}" for share in gone]
        found.append(_change(name, "missing", told[0], told[1], abs(gone[1] - gone[0]), sizes, kinds=2))
        if "labels" in old and "labels" in new:
            found.append(_labels(name, old["labels"], new["labels"], sizes))
        for what in ("numbers", "lengths"):
            if what in old and what in new:
                distance = kolmogorov(old[what], new[what])
                told = [f"median {one[what][STEPS // 2]:.4g}" for one in (old, new)]
                found.append(_change(name, what, told[0], told[1], distance, sizes, kinds=2))
    return sorted(found, key=lambda change: (change.limit - change.distance, change.field))


def _labels(name: str, then: Mapping[str, float], now: Mapping[str, float], sizes: tuple[int, int]) -> Change:
    labels = sorted(set(then) | set(now))
    steps = {label: now.get(label, 0.0) - then.get(label, 0.0) for label in labels}
    most = max(labels, key=lambda label: (abs(steps[label]), label))
    distance = sum(abs(step) for step in steps.values()) / 2
    told = (f"{most}: {then.get(most, 0.0):.1%}", f"{most}: {now.get(most, 0.0):.1%}")
    return _change(name, "labels", *told, distance, sizes, kinds=len(labels))


def _change(
    name: str, what: str, then: str, now: str, distance: float, sizes: tuple[int, int], *, kinds: int
) -> Change:
    """With what chance gives in one of a thousand samples of the smaller size.

    Bretagnolle, Huber and Carol's inequality for the shares of `kinds`; for two it bounds Kolmogorov's distance as well
    (Dvoretzky, Kiefer and Wolfowitz).
    """
    least = min(sizes)
    chance = math.sqrt((kinds * math.log(2) + math.log(1000)) / (2 * least)) if least else math.inf
    return Change(name, what, then, now, distance, limit=max(0.1, chance))


def kolmogorov(then: Sequence[float], now: Sequence[float]) -> float:
    """The largest distance of two cumulative distributions, each known at STEPS + 1 quantiles."""
    points = np.unique(np.concatenate([then, now]))
    return float(np.abs(_below(then, points) - _below(now, points)).max())


def _below(quantiles: Sequence[float], points: np.ndarray) -> np.ndarray:
    """The share of values up to each point."""
    shares = np.linspace(0, 1, len(quantiles))
    values = np.asarray(quantiles)
    last = np.searchsorted(values, points, side="right") - 1  # of equal quantiles the highest share
    inside = np.clip(last, 0, len(values) - 2)
    width = np.maximum(values[inside + 1] - values[inside], 1e-12)
    share = shares[inside] + (points - values[inside]) / width * (shares[1] - shares[0])
    found: np.ndarray = np.where(last < 0, 0.0, np.where(last >= len(values) - 1, 1.0, np.minimum(share, 1.0)))
    return found
