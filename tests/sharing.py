"""How pytest-xdist deals tests to its workers: what takes long comes first, and a file stays together."""

from collections.abc import Sequence

import pytest
from xdist.scheduler import LoadScopeScheduling

APART = ("tests/docs/test_pages.py", "tests/flows/test_serve.py")
"""Files whose tests take long and share nothing that is made once a file: each test goes where there is room."""
TOGETHER = ("tests/benchmarks/",)
"""Folders whose files share what takes long to make."""


class Sharing(LoadScopeScheduling):
    """Functions of a file go to one worker, and so do those of a class: what a file makes once is made once."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(APART):
            return nodeid
        return next((name for name in TOGETHER if nodeid.startswith(name)), super()._split_scope(nodeid))


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Files of slow tests alone, then those that have some, then the others: no slow one is left for the end."""
    slow = dict[str, list[bool]]()
    for item in items:
        slow.setdefault(file_of(item), []).append(item.get_closest_marker("slow") is not None)
    return sorted(items, key=lambda item: 2 - any(slow[file_of(item)]) - all(slow[file_of(item)]))


def file_of(item: pytest.Item) -> str:
    """The file that a test stands in."""
    return item.nodeid.partition("::")[0]
