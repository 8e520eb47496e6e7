import gc
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest

from mmcore.data.column import AT_ONCE, Column
from mmcore.data.parquet import ParquetColumns, write_parquet
from mmcore.data.pieces import InPieces
from mmcore.data.pile import Held, Pile, Texts
from tests.data.pieces import in_pieces

ROOT = Path(__file__).parents[2]


def column_of(cells):
    column = Column(Pile())
    for cell in cells:
        column.append(cell)
    return column


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 3 * AT_ONCE, 3 * AT_ONCE + 7])
def test_what_was_laid_down_comes_back_in_pieces_and_whole(count):
    cells = [None if number % 5 == 0 else number for number in range(count)]
    column = column_of(cells)

    pieces = list(column.pieces(2 * AT_ONCE, int))

    assert len(column) == count
    assert [cell for piece in pieces for cell in piece.to_pylist()] == cells
    assert all(len(piece) == 2 * AT_ONCE for piece in pieces[:-1])
    assert column.finish().to_pylist() == cells


def test_texts_come_back_in_any_order():
    written = [f"{number} 问 " * (number % 50) for number in range(3000)]
    texts = Texts()
    for text in written:
        texts.append(text)

    assert len(texts) == len(written)
    assert [texts[row] for row in reversed(range(3000))] == written[::-1]


def test_what_is_of_no_kind_is_spelled_out():
    cells = [Fraction(1, 3), 1, None, *[2] * AT_ONCE]
    assert column_of(cells).finish().to_pylist() == ["1/3", "1", None, *["2"] * AT_ONCE]


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


@pytest.mark.parametrize("made", [Pile, Held])
def test_columns_may_share_a_pile(made):
    pile = made()
    left, right = Column(pile), Column(pile)
    for number in range(2 * AT_ONCE):
        left.append(number)
        right.append(str(number))
    assert left.finish().to_pylist() == list(range(2 * AT_ONCE))
    assert right.finish().to_pylist() == [str(number) for number in range(2 * AT_ONCE)]


def test_a_pile_that_is_gone_leaves_no_file_open():
    pile = Pile()
    pile.put([1])
    file = pile._scratch._file
    del pile
    gc.collect()
    assert file.closed


def test_a_full_disk_is_told_once():
    code = """
import resource, signal
from mmcore.data.pile import Pile
from mmcore.errors import SetupError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
pile = Pile()
pile.put([1])
try:
    pile.put(list(range(1000)))
except SetupError as error:
    print(error)
print(pile.get(0))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(r"cannot be kept in a temporary file: .*File too large.*TMPDIR", done.stdout)
    assert done.stdout.endswith("[1]\n")
    assert done.stderr == ""


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
