import pyarrow as pa
import pytest

from mmcore.data.column import AT_ONCE
from mmcore.data.distinct import Distinct
from mmcore.data.manifest import Manifest


def manifest(cells, digests=None):
    hashes = pa.array([None] * len(cells) if digests is None else digests, pa.string())
    return Manifest(pa.table({"x": pa.array(cells), "hash:x": hashes}))


@pytest.mark.parametrize("cells", [["b", "a", "b", None, "c"], [2, 1, 2, None, 3], [0.5, -1.0, 0.5, None, 2.0]])
def test_values_are_told_apart_in_order_of_appearance(cells):
    found = Distinct.of(manifest(cells), "x")

    assert [one.cell for one in found] == [cells[0], cells[1], cells[4]]
    assert found.rows.tolist() == [0, 1, 0, -1, 2]
    assert {one.name for one in found} == {""}
    assert len(found) == 3


def test_files_are_told_apart_by_content_and_the_first_with_it_gives_its_name():
    found = Distinct.of(manifest(["a.PNG", "b.png", None, "c.jpg"], ["1" * 64, "2" * 64, None, "1" * 64]), "x")

    assert [one.cell for one in found] == ["a.PNG", "b.png"]
    assert found.rows.tolist() == [0, 1, -1, 0]
    assert [one.name for one in found] == ["1" * 32 + ".png", "2" * 32 + ".png"]


def test_a_field_that_no_row_has_gives_nothing():
    found = Distinct.of(Manifest(pa.table({"x": pa.nulls(3, pa.string()), "hash:x": pa.nulls(3, pa.string())})), "x")

    assert list(found) == []
    assert found.rows.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("digests", [False, True])
def test_a_manifest_of_many_pieces_is_walked_through_as_often_as_one_wants(digests):
    cells = [f"{number % (AT_ONCE + 7)}.png" for number in range(3 * AT_ONCE)]
    table = manifest(cells, [cell * 16 for cell in cells] if digests else None)

    found = Distinct.of(table, "x")

    for _ in range(2):
        walked = list(found)
        assert [one.cell for one in walked] == cells[: AT_ONCE + 7]
        assert all(one.digest == (one.cell * 16 if digests else None) for one in walked)
    assert found.rows.tolist() == [number % (AT_ONCE + 7) for number in range(3 * AT_ONCE)]


def test_of_a_file_the_same_comes_out(tmp_path):
    table = manifest([str(number // 3) for number in range(3 * AT_ONCE)])
    table.write(tmp_path / "manifest.parquet")

    assert list(Distinct.of(Manifest.read(tmp_path / "manifest.parquet"), "x")) == list(Distinct.of(table, "x"))
