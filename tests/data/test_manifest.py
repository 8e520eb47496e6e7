import pyarrow as pa
import pytest

from mmcore.data.collecting import Collected
from mmcore.data.column import AT_ONCE
from mmcore.data.distinct import Distinct
from mmcore.data.intake import Sample, Wanted
from mmcore.data.manifest import Manifest
from mmcore.errors import ArtifactError
from tests.data.pieces import in_pieces


def manifest(cells, **settings):
    wanted = Wanted({"text": "text"}, **settings)
    collected = Collected(wanted)
    for n, cell in enumerate(cells):
        collected.add(Sample(f"{n}", {"text": cell}))
    return collected.manifest(
        groups=in_pieces([f"{n % 2}" for n in range(len(cells))]), splits=in_pieces(["train"] * len(cells))
    )


@pytest.mark.parametrize(
    "cells",
    [
        ["a", "问题", None],
        [1, 2, None],
        [1.5, None, -2.0],
        [True, False, None],
        [None, None],
        ["line\nend", 'quote"'],
    ],
)
def test_cells_come_back_with_their_types(tmp_path, cells):
    manifest(cells).write(tmp_path / "manifest.parquet")
    found = Manifest.read(tmp_path / "manifest.parquet").cells("text")
    assert found == cells
    assert [type(cell) for cell in found] == [type(cell) for cell in cells]


@pytest.mark.parametrize(
    ("cells", "read"), [([1, 0.5], [1.0, 0.5]), ([1, "a"], ["1", "a"]), ([2**70, 1], [str(2**70), "1"])]
)
def test_mixed_cells_become_what_holds_them_all(cells, read):
    assert manifest(cells).cells("text") == read


@pytest.mark.parametrize(
    ("early", "late", "read"),
    [
        (1, 0.5, [1.0, 0.5]),
        (None, 3, [None, 3]),
        (1, "a", ["1", "a"]),
        (0.5, "a", ["0.5", "a"]),
        (True, 1, ["True", "1"]),
        (2**70, 1, [str(2**70), "1"]),
        (2**70, 0.5, [str(2**70), "0.5"]),
    ],
)
def test_a_kind_of_cell_that_comes_late_changes_those_before(early, late, read):
    found = manifest([early] * AT_ONCE + [late]).cells("text")

    assert found == [read[0]] * AT_ONCE + [read[1]]
    assert {type(cell) for cell in found} == {type(cell) for cell in read}


def test_paths_stay_texts_even_where_they_look_like_numbers():
    assert manifest([1, 2], files=frozenset({"text"})).cells("text") == ["1", "2"]


def test_group_numbers_tell_groups_apart():
    assert manifest(["a", "b", "c"]).group_numbers().tolist() == [0, 1, 0]


def test_a_manifest_that_is_not_there_says_which_stage_writes_it(tmp_path):
    with pytest.raises(ArtifactError, match="mm stage ingest"):
        Manifest.read(tmp_path / "manifest.parquet")


def test_a_file_that_is_no_manifest_is_told(tmp_path):
    (tmp_path / "manifest.parquet").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="no manifest"):
        Manifest.read(tmp_path / "manifest.parquet")


def test_a_column_that_is_not_there_is_told():
    with pytest.raises(ArtifactError, match="no column 'image'"):
        manifest(["a"]).cells("image")


def test_a_manifest_that_is_damaged_inside_is_told(tmp_path):
    path = tmp_path / "manifest.parquet"
    manifest([f"{number * 7919 % 1000} words" for number in range(500)]).write(path)
    content = bytearray(path.read_bytes())
    content[1300:2500] = bytes(1200)  # the pages of the texts
    path.write_bytes(content)
    found = Manifest.read(path)

    with pytest.raises(ArtifactError, match=r"damaged in 'text'.*mm stage ingest"):
        found.cells("text")


def test_a_column_in_several_pieces_is_one():
    pieces = pa.chunked_array([["a", None], ["b"]], pa.string())
    found = Manifest(pa.table({"x": pieces, "hash:x": pa.nulls(3, pa.string())}))

    assert found.cells("x") == ["a", None, "b"]
    assert [one.cell for one in Distinct.of(found, "x")] == ["a", "b"]
