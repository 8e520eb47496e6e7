import sqlite3
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.data.lookup import AT_ONCE, Lookup
from mmcore.errors import SetupError

KEYS = st.tuples(st.sampled_from(("group", "file")), st.text())


@given(st.dictionaries(KEYS, st.integers(0, 9) | st.text(max_size=3), max_size=20))
def test_what_was_said_of_a_key_is_found_and_of_another_nothing(said):
    lookup = Lookup()
    for key, value in said.items():
        assert lookup.get(*key) is None
        lookup.put(*key, said=value)
    assert {key: lookup.get(*key) for key in said} == said


def test_more_keys_take_no_more_memory_of_python():
    lookup = Lookup()
    tracemalloc.start()
    for number in range(20 * AT_ONCE + 3):
        lookup.put(f"{number}", said=number)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [lookup.get(f"{n}") for n in (0, AT_ONCE, 20 * AT_ONCE + 2)] == [0, AT_ONCE, 20 * AT_ONCE + 2]
    assert most < 500 * AT_ONCE


def test_a_full_disk_says_what_to_do(monkeypatch):
    class Full:
        def execute(self, *_):
            raise sqlite3.OperationalError("database or disk is full")

        executemany = execute

    lookup = Lookup()
    monkeypatch.setattr(lookup, "_file", Full())
    with pytest.raises(SetupError, match=r"database or disk is full\. Free some disk space, or name another folder in"):
        lookup.get("a")
    for number in range(AT_ONCE - 1):
        lookup.put(f"{number}", said=number)
    with pytest.raises(SetupError, match="TMPDIR"):
        lookup.put("one more", said=1)
