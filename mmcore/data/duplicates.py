"""Rows that belong together: of one group, or with the same content. A late duplicate joins its elder's split."""

from array import array as integers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from mmcore.data.arrow import from_cells
from mmcore.data.lookup import Lookup
from mmcore.data.pieces import Pieces
from mmcore.data.pile import Texts
from mmcore.data.split import SPLITS, Dealer, Split
from mmcore.errors import DataError

Key = tuple[str, str]
"""("group", name), ("file", digest) or ("cells", digest): rows that share one belong together."""
NONE = len(SPLITS)
"""Stands for no declared split."""


@dataclass(frozen=True, slots=True)
class Elder:
    """The first row of a family: it decides the group and the split of all that follow."""

    name: str
    """Its id."""
    group: str
    split: Split


class Families:
    """Families of rows, as they grow in source order.

    What happens to a row depends on it and the rows before it alone, so rows that come later never move it. The one
    thing that may change is the group's name, where a later row shows that two families of one split are one.
    """

    def __init__(self, dealer: Dealer) -> None:
        self._dealer = dealer
        self._ids, self._family = Texts(), integers("i")
        """Of each row that has its place."""
        self._groups, self._elder, self._parent = Texts(), integers("i"), integers("i")
        self._declared, self._split = integers("b"), integers("b")
        """Of each family: its elder's, and the family that it has become part of."""
        self._first = Lookup()
        """A key -> the first row that had it."""

    def place(self, name: str, *, group: str, keys: Mapping[str, Key], declared: Split | None = None) -> int:
        """The family of a new row, to be looked up by `elder`.

        name: its id. group: the name of its family if it is the first. keys: what it shares with others, under the
        name that a message gives it. declared: what the split column says.
        Raises DataError where it would stand in two splits; the row then leaves no trace here.
        """
        rows = {what: self._first.get(*key) for what, key in keys.items()}
        ties: dict[str, int] = {what: row for what, row in rows.items() if row is not None}
        found = {self._root(self._family[row]) for row in ties.values()}
        says = NONE if declared is None else SPLITS.index(declared)
        if len({self._split[family] for family in found}) > 1 or {self._declared[one] for one in found} - {says}:
            raise DataError(self._conflict(ties, declared))
        row = len(self._family)
        family = min(found) if found else self._founded(row, group, declared)
        for younger in found:
            self._parent[younger] = family
        for key in {key for what, key in keys.items() if what not in ties}:
            self._first.put(*key, said=row)
        self._ids.append(name)
        self._family.append(family)
        return family

    def elder(self, family: int) -> Elder:
        """The first row of a family, once every row has its place."""
        root = self._root(family)
        return Elder(self._ids[self._elder[root]], self._groups[root], self._split_of(root))

    def settled(self) -> tuple[Pieces, Pieces]:
        """The group and the split of each row that has its place, as texts; no row comes after it."""
        roots = np.fromiter(map(self._root, self._family), np.int32, len(self._family))
        return partial(_told, roots, self._groups.__getitem__), partial(_told, roots, self._split_of)

    def _split_of(self, family: int) -> Split:
        return SPLITS[self._split[family]]

    def _founded(self, row: int, group: str, declared: Split | None) -> int:
        self._groups.append(group)
        self._elder.append(row)
        self._parent.append(len(self._parent))
        self._declared.append(NONE if declared is None else SPLITS.index(declared))
        self._split.append(SPLITS.index(self._dealer.deal(group, declared)))
        return len(self._parent) - 1

    def _root(self, family: int) -> int:
        while self._parent[family] != family:
            self._parent[family] = self._parent[self._parent[family]]  # halves the way for the next who asks
            family = self._parent[family]
        return family

    def _conflict(self, ties: Mapping[str, int], declared: Split | None) -> str:
        told = [
            f"its {what} is that of row {self._ids[row]!r} ({self._split_of(self._root(self._family[row]))})"
            for what, row in ties.items()
        ]
        says = "" if declared is None else f", and its own split is {declared}"
        return f"it would stand in two splits: {', '.join(told)}{says}"


def _told(families: np.ndarray, text_of: Callable[[int], str], rows: int) -> Iterator[Any]:
    """The text of each row's family, `rows` at a time: Pieces."""
    for start in range(0, max(1, len(families)), rows):
        each = families[start : start + rows].tolist()
        texts = {family: text_of(family) for family in sorted(set(each))}
        yield pa.chunked_array([from_cells([texts[family] for family in each], str)])
