import gc

import numpy as np
import pyarrow as pa
import pytest

from mmcore.data import pile as piles
from mmcore.data.column import AT_ONCE, Column
from mmcore.data.parquet import ParquetColumns, write_parquet
from mmcore.data.pieces import InPieces
from mmcore.data.pile import Pile
from mmcore.errors import SetupError
from tests.data.pieces import in_pieces


def column_of(cells):
    column = Column(Pile())
    for cell in cells:
        column.append(cell)
    return column


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 3 * AT_ONCE, 3 * AT_ONCE + 7])
def test_what_was_laid_down_comes_back_one_by_one_in_pieces_and_whole(count):
    cells = [None if number % 5 == 0 else number for number in range(count)]
    column = column_of(cells)

    pieces = list(column.pieces(2 * AT_ONCE, int))

    assert len(column) == count
    assert [cell for piece in pieces for cell in piece.to_pylist()] == cells
    assert all(len(piece) == 2 * AT_ONCE for piece in pieces[:-1])
    assert [column[row] for row in range(0, count, 100)] == cells[::100]
    assert column.finish().to_pylist() == cells


def test_rows_of_many_pieces_come_in_the_order_that_is_asked_for():
    cells = [f"{number}" if number % 2 else number for number in range(4 * AT_ONCE + 3)]
    rows = np.random.default_rng(0).integers(0, len(cells), 5000)

    assert column_of(cells).taken(rows) == [cells[row] for row in rows]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([], str),
        ([None], str),
        ([True, None], bool),
        ([1, -(2**63), 2**63 - 1], int),
        ([1, 2**63], str),
        ([-(2**63) - 1], str),
        ([-(2**53) - 1, 0.5], str),
        ([1, 0.5], float),
        ([2**53 + 1, 0.5], str),
        ([True, 1], str),
        (["a", 1], str),
    ],
)
def test_the_kind_is_the_narrowest_that_holds_all(cells, kind):
    assert column_of([None] * AT_ONCE + cells).kind() is kind
    assert column_of(cells + [None] * AT_ONCE).kind() is kind


def test_columns_share_a_pile_which_leaves_nothing_open():
    pile = Pile()
    left, right = Column(pile), Column(pile)
    for number in range(2 * AT_ONCE):
        left.append(number)
        right.append(str(number))
    assert (left[5], right[5], left[AT_ONCE], right[AT_ONCE]) == (5, "5", AT_ONCE, str(AT_ONCE))
    file = pile._file
    del pile, left, right
    gc.collect()
    assert file.closed


def test_a_full_disk_is_told(monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(piles, "TemporaryFile", full)
    with pytest.raises(SetupError, match=r"No space left on device.*TMPDIR"):
        Pile().put([1])


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 20_000])
def test_a_table_in_pieces_is_written_as_a_whole_one_would_be(tmp_path, count):
    texts = {
        "one": [f"{number % 7}" for number in range(count)],
        "other": [f"text {number}" for number in range(count)],
    }
    table = InPieces(count, {name: in_pieces(values) for name, values in texts.items()})

    write_parquet(tmp_path / "pieces.parquet", table)
    write_parquet(
        tmp_path / "whole.parquet", pa.table({name: pa.array(held, pa.string()) for name, held in texts.items()})
    )

    assert ParquetColumns(tmp_path / "pieces.parquet").num_rows == count
    assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
