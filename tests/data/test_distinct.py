import numpy as np
import pyarrow as pa
import pytest

from mmcore.data.column import AT_ONCE
from mmcore.data.distinct import Cells, Distinct
from mmcore.data.manifest import Manifest


def manifest(cells, digests=None):
    hashes = pa.array([None] * len(cells) if digests is None else digests, pa.string())
    return Manifest(pa.table({"x": pa.array(cells), "hash:x": hashes}))


@pytest.mark.parametrize("cells", [["b", "a", "b", None, "c"], [2, 1, 2, None, 3], [0.5, -1.0, 0.5, None, 2.0]])
def test_values_are_told_apart_in_order_of_appearance(cells):
    found = Distinct.of(manifest(cells), "x")

    assert list(found.cells) == [cells[0], cells[1], cells[4]]
    assert found.rows.tolist() == [0, 1, 0, -1, 2]
    assert found.name(1) == ""


def test_files_are_told_apart_by_content_and_the_first_with_it_gives_its_name():
    found = Distinct.of(manifest(["a.PNG", "b.png", None, "c.jpg"], ["1" * 64, "2" * 64, None, "1" * 64]), "x")

    assert list(found.cells) == ["a.PNG", "b.png"]
    assert found.rows.tolist() == [0, 1, -1, 0]
    assert [found.name(number) for number in range(2)] == ["1" * 32 + ".png", "2" * 32 + ".png"]


def test_a_field_that_no_row_has_gives_nothing():
    found = Distinct.of(Manifest(pa.table({"x": pa.nulls(3, pa.string()), "hash:x": pa.nulls(3, pa.string())})), "x")

    assert list(found.cells) == []
    assert found.rows.tolist() == [-1, -1, -1]


def test_cells_are_looked_at_one_by_one_in_parts_and_where_they_are_asked_for():
    cells = Cells([pa.array(range(AT_ONCE)), pa.array([], pa.int64()), pa.array(range(AT_ONCE, 2 * AT_ONCE + 3))])

    assert list(cells) == list(range(2 * AT_ONCE + 3))
    assert (cells[5], cells[-1]) == (5, 2 * AT_ONCE + 2)
    assert cells[AT_ONCE - 1 : AT_ONCE + 2] == [AT_ONCE - 1, AT_ONCE, AT_ONCE + 1]
    with pytest.raises(IndexError):
        cells[2 * AT_ONCE + 3]
    assert list(cells.at(np.array([2, AT_ONCE + 7]))) == [2, AT_ONCE + 7]
