"""A few rows that stand for all: for quick tries."""

import hashlib
from collections import Counter
from collections.abc import Sequence


def spread(limit: int, *, parts: Sequence[str], groups: Sequence[str], ids: Sequence[str]) -> list[int]:
    """Which `limit` rows to take, in order; every row where there are no more.

    parts, groups, ids: of each row. Each part (a split) keeps its share, and one row at least while there is room.
    Within a part each group gives a row before any gives two. The choice looks random but depends on the names alone.
    """
    if limit >= len(ids):
        return list(range(len(ids)))
    chance = [hashlib.sha256(f"{group}\0{name}".encode()).digest() for group, name in zip(groups, ids, strict=True)]
    turn, taken = dict[int, int](), Counter[tuple[str, str]]()
    for row in sorted(range(len(ids)), key=chance.__getitem__):
        turn[row] = taken[parts[row], groups[row]]
        taken[parts[row], groups[row]] += 1
    room = shares(limit, Counter(parts))
    chosen = list[int]()
    for row in sorted(turn, key=lambda row: (turn[row], chance[row])):
        if room[parts[row]] > 0:
            room[parts[row]] -= 1
            chosen.append(row)
    return sorted(chosen)


def shares(limit: int, sizes: Counter[str]) -> dict[str, int]:
    """`limit` dealt to parts by their sizes: the largest remainders are rounded up, no part goes empty-handed."""
    total = sum(sizes.values())
    exact = {part: limit * size / total for part, size in sizes.items()}
    found = {part: int(share) for part, share in exact.items()}
    order = sorted(sizes, key=lambda part: (found[part] > 0, found[part] - exact[part], part))
    while sum(found.values()) < limit:
        for part in order[: limit - sum(found.values())]:
            found[part] += 1
    while any(share == 0 for share in found.values()) and max(found.values()) > 1:
        found[max(found, key=lambda part: (found[part], part))] -= 1
        found[min(found, key=lambda part: (found[part], part))] += 1
    return found
