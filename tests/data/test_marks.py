"""Rows are known again, whatever a row that is added makes of the types of their columns."""

import math

import pytest

from mmcore.data.collecting import Collected
from mmcore.data.intake import Intake, Wanted
from mmcore.data.marks import marks_of
from tests.data.pieces import in_pieces

PRICES, YEARS = (3, 7, 12, 0), (1990, 1.5, 2001, 1e-05)


def made(kind, cells):
    """A column's cells as a source types them."""
    return [cell if cell is None else kind(cell) for cell in cells]


def manifest_of(columns, base, **settings):
    wanted = Wanted({"price": "price", "both": ("year", "price")}, inputs=frozenset({"price", "both"}), **settings)
    intake, collected = Intake(wanted, base), Collected(wanted)
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    samples = [intake.take(number, row) for number, row in enumerate(rows)]
    for one in samples:
        collected.add(one)
    return collected.manifest(
        groups=in_pieces([one.group for one in samples]), splits=in_pieces(["train"] * len(samples))
    )


ADDED = [(float, 9.5), (float, None), (float, math.nan), (str, "n/a")]
"""What the whole numbers of a column become, and the cell that makes them so."""


@pytest.mark.parametrize(("kind", "cell"), ADDED)
def test_a_row_that_is_added_changes_no_group_and_no_mark_of_those_there_are(kind, cell, tmp_path):
    before = manifest_of({"price": PRICES, "year": YEARS}, tmp_path)
    typed = {"price": [*made(kind, PRICES), cell], "year": [*made(kind, YEARS), cell if kind is str else 9]}
    after = manifest_of(typed, tmp_path)
    assert after.groups[:4] == before.groups
    assert (marks_of(after, ["price", "both"])[:4] == marks_of(before, ["price", "both"])).all()


@pytest.mark.parametrize(("kind", "cell"), [(float, 9.5), (str, "n/a")])
def test_a_row_that_is_added_changes_no_id_and_no_named_group(kind, cell, tmp_path):
    before = manifest_of({"price": PRICES, "year": YEARS}, tmp_path, id="price", group="price")
    after = manifest_of(
        {"price": [*made(kind, PRICES), cell], "year": [*YEARS, 2]}, tmp_path, id="price", group="price"
    )
    assert after.ids[:4] == before.ids == ["3", "7", "12", "0"]
    assert after.groups[:4] == before.groups


def test_numbers_that_differ_keep_groups_and_marks_that_differ(tmp_path):
    found = manifest_of({"price": [1, 1.5, "1.25", "one"], "year": [1, 1, 1, 1]}, tmp_path)
    assert len(set(found.groups)) == 4
    assert len(set(marks_of(found, ["price"])[:, 1].tolist())) == 4
