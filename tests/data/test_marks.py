"""Rows are known again, whatever a row that is added makes of the types of their columns."""

import math

import numpy as np
import pyarrow as pa
import pytest

from mmcore.data.collecting import Collected
from mmcore.data.intake import Intake, Wanted
from mmcore.data.manifest import Manifest
from mmcore.data.marks import marks_of, seen
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


def row_of(*, name="a", group="g", photo="0", text="red"):
    """A manifest of one row with a picture, of which `photo` is the content, and a text."""
    cells = {"id": name, "split": "train", "group": group, "photo": "1.png", "text": text}
    cells |= {"hash:photo": photo, "hash:text": None}
    return Manifest(pa.table({column: pa.array([cell], pa.string()) for column, cell in cells.items()}))


@pytest.mark.parametrize("same", [{"name": "a"}, {"group": "g"}, {"photo": "0"}])
def test_a_row_is_known_again_by_its_id_its_group_or_its_file_alone(same):
    known = np.unique(marks_of(row_of(), ["photo", "text"]))
    other = {"name": "b", "group": "h", "photo": "1", "text": "blue"}
    assert not seen(marks_of(row_of(**other), ["photo", "text"]), known).any()
    assert seen(marks_of(row_of(**{**other, **same}), ["photo", "text"]), known).all()


def test_a_file_is_known_again_by_the_group_that_an_older_version_named_after_it():
    older = marks_of(row_of(group="0"), ["photo"], named=False)[:, :1]
    assert seen(marks_of(row_of(group="shop"), ["photo"], named=False), np.unique(older)).all()


def test_ids_that_merely_count_rows_say_nothing():
    known = np.unique(marks_of(row_of(), ["photo"]))
    assert not seen(marks_of(row_of(group="h", photo="1"), ["photo"], named=False), known).any()


def test_rows_without_a_file_are_not_known_by_having_none():
    known = np.unique(marks_of(row_of(photo=None), ["photo", "text"]))
    assert not seen(marks_of(row_of(name="b", group="h", photo=None, text="blue"), ["photo", "text"]), known).any()
