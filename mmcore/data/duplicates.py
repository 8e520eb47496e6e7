"""Rows that belong together: of one group, or with the same content. A late duplicate joins its elder's split."""

import hashlib
from array import array as integers
from collections.abc import Mapping
from dataclasses import dataclass

from mmcore.data.split import Dealer, Split
from mmcore.errors import DataError

Key = tuple[str, str]
"""("group", name), ("file", digest) or ("cells", digest): rows that share one belong together."""


@dataclass(frozen=True, slots=True)
class Elder:
    """The first row of a family: it decides the group and the split of all that follow."""

    name: str
    """Its id."""
    group: str
    declared: Split | None
    split: Split


class Families:
    """Families of rows, as they grow in source order.

    What happens to a row depends on it and the rows before it alone, so rows that come later never move it. The one
    thing that may change is the group's name, where a later row shows that two families of one split are one.
    """

    def __init__(self, dealer: Dealer) -> None:
        self._dealer = dealer
        self._elders, self._parent = list[Elder](), integers("q")
        self._ids, self._family = list[str](), integers("q")
        """Of each row that has its place."""
        self._first = dict[bytes, int]()
        """The digest of a key -> the first row that had it; the keys themselves would take most of the memory."""

    def place(self, name: str, *, group: str, keys: Mapping[str, Key], declared: Split | None = None) -> int:
        """The family of a new row, to be looked up by `elder`.

        name: its id. group: the name of its family if it is the first. keys: what it shares with others, under the
        name that a message gives it. declared: what the split column says.
        Raises DataError where it would stand in two splits; the row then leaves no trace here.
        """
        digests = {what: _digest(key) for what, key in keys.items()}
        ties = {what: self._first[digest] for what, digest in digests.items() if digest in self._first}
        found = {what: self._root(self._family[row]) for what, row in ties.items()}
        homes = {self._elders[family].split for family in found.values()}
        stays = {self._elders[family].declared for family in found.values()} <= {declared}
        if len(homes) > 1 or not stays:
            raise DataError(self._conflict(ties, declared))
        family = min(found.values(), default=len(self._elders))
        if not found:
            self._elders.append(Elder(name, group, declared, self._dealer.deal(group, declared)))
            self._parent.append(family)
        for younger in found.values():
            self._parent[younger] = family
        for digest in digests.values():
            self._first.setdefault(digest, len(self._ids))
        self._ids.append(name)
        self._family.append(family)
        return family

    def elder(self, family: int) -> Elder:
        """The first row of a family, once every row has its place."""
        return self._elders[self._root(family)]

    def _root(self, family: int) -> int:
        while self._parent[family] != family:
            self._parent[family] = self._parent[self._parent[family]]  # halves the way for the next who asks
            family = self._parent[family]
        return family

    def _conflict(self, ties: Mapping[str, int], declared: Split | None) -> str:
        told = [
            f"its {what} is that of row {self._ids[row]!r} ({self.elder(self._family[row]).split})"
            for what, row in ties.items()
        ]
        says = "" if declared is None else f", and its own split is {declared}"
        return f"it would stand in two splits: {', '.join(told)}{says}"


def _digest(key: Key) -> bytes:
    return hashlib.blake2b("\0".join(key).encode(), digest_size=16).digest()
