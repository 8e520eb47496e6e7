from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mmcore.data.limit import shares, spread

SIZES = st.dictionaries(st.sampled_from(["train", "validation", "test"]), st.integers(1, 200), min_size=1)


@given(SIZES, st.integers(1, 300))
def test_shares_add_up_and_leave_no_part_empty_while_there_is_room(sizes, limit):
    limit = min(limit, sum(sizes.values()))
    found = shares(limit, Counter(sizes))
    assert sum(found.values()) == limit
    assert min(found.values()) >= (1 if limit >= len(sizes) else 0)


@given(SIZES, st.integers(1, 300), st.integers(1, 10))
def test_as_many_rows_as_asked_for_are_taken_once_each_in_order(sizes, limit, size):
    parts = [part for part, count in sizes.items() for _ in range(count)]
    ids = [f"{n}" for n in range(len(parts))]
    chosen = spread(limit, parts=parts, groups=[f"{n // size}" for n in range(len(parts))], ids=ids)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(limit, len(parts))


def test_each_group_gives_a_row_before_any_gives_two():
    groups = [f"{n // 10}" for n in range(100)]
    chosen = spread(15, parts=["train"] * 100, groups=groups, ids=[f"{n}" for n in range(100)])
    assert sorted(Counter(groups[row] for row in chosen).values()) == [1] * 5 + [2] * 5
