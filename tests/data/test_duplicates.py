import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.data.column import AT_ONCE
from mmcore.data.duplicates import Families
from mmcore.data.settings import SplitSettings
from mmcore.data.split import Dealer
from mmcore.errors import DataError
from tests.data.pieces import texts_of

HALVES = Dealer(SplitSettings(validation=0.0, test=0.5))
TRAIN, TEST = (
    [name for name in map(str, range(40)) if HALVES.deal(name, None) == split] for split in ("train", "test")
)

ROWS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30)
"""(group, file) of each row."""


def settle(rows):
    """Split of each row and its elder's number; None where it was refused."""
    families, places = Families(HALVES), []
    for number, (group, file) in enumerate(rows):
        keys = {"group": ("group", f"{group}"), "image": ("file", f"{file}")}
        try:
            places.append(families.place(f"{number}", group=f"{group}", keys=keys))
        except DataError:
            places.append(None)
    return [None if place is None else families.elder(place) for place in places]


@given(ROWS)
def test_nothing_that_is_shared_stands_in_two_splits(rows):
    found = {}
    for (group, file), elder in zip(rows, settle(rows), strict=True):
        if elder is not None:
            found.setdefault(("group", group), set()).add(elder.split)
            found.setdefault(("file", file), set()).add(elder.split)
            found.setdefault(("group", group, "elder"), set()).add(elder.name)
    assert all(len(splits) == 1 for splits in found.values())


@given(ROWS, ROWS)
def test_rows_that_come_later_move_no_earlier_one(rows, more):
    before, after = settle(rows), settle(rows + more)
    assert [elder and elder.split for elder in before] == [elder and elder.split for elder in after[: len(rows)]]


def test_a_late_duplicate_joins_its_elder():
    families = Families(HALVES)
    first = families.place("a", group=TRAIN[0], keys={"image": ("file", "x")})
    late = families.place("b", group=TEST[0], keys={"image": ("file", "x")})
    assert families.elder(late) == families.elder(first)
    assert families.elder(late).split == "train"


def test_what_a_late_duplicate_brings_joins_too():
    families = Families(HALVES)
    families.place("a", group=TRAIN[0], keys={"image": ("file", "x")})
    families.place("b", group=TEST[0], keys={"group": ("group", TEST[0]), "image": ("file", "x")})
    third = families.place("c", group=TEST[0], keys={"group": ("group", TEST[0])})
    assert families.elder(third).name == "a"


def test_a_row_that_would_bridge_two_splits_is_refused_and_leaves_no_trace():
    families = Families(HALVES)
    families.place("a", group=TRAIN[0], keys={"image": ("file", "x")})
    families.place("b", group=TEST[0], keys={"image": ("file", "y")})
    with pytest.raises(
        DataError, match=r"its left is that of row 'a' \(train\), its right is that of row 'b' \(test\)"
    ):
        families.place("c", group="c", keys={"left": ("file", "x"), "right": ("file", "y"), "more": ("file", "z")})
    new = families.place("d", group="d", keys={"image": ("file", "z")})
    assert families.elder(new).name == "d"


def test_a_row_that_bridges_two_families_of_one_split_makes_them_one():
    families = Families(HALVES)
    first = families.place("a", group=TRAIN[0], keys={"image": ("file", "x")})
    second = families.place("b", group=TRAIN[1], keys={"image": ("file", "y")})
    families.place("c", group="c", keys={"left": ("file", "x"), "right": ("file", "y")})
    assert families.elder(second) == families.elder(first)


def test_of_many_rows_each_has_its_group_and_split_and_the_first_is_named():
    families, count = Families(HALVES), 2 * AT_ONCE + 5
    groups = [f"{n // 2}" for n in range(count)]
    places = [families.place(f"row {n}", group=one, keys={"group": ("group", one)}) for n, one in enumerate(groups)]
    assert [families.elder(places[n]).name for n in (1, AT_ONCE + 1, count - 1)] == [
        "row 0",
        f"row {AT_ONCE}",
        f"row {count - 1}",
    ]
    found, splits = families.settled()
    assert texts_of(found, AT_ONCE) == groups
    assert texts_of(splits, 2 * AT_ONCE) == [HALVES.deal(group, None) for group in groups]
