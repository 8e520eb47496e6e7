import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.data.arrow import KINDS, from_cells, from_numpy, to_numpy

ROOT = Path(__file__).parents[2]
VALUES = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.one_of(st.floats(allow_nan=False), st.integers(-(2**53), 2**53)),
    str: st.text(st.characters(exclude_categories=["Cs"])),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_cells_become_what_pyarrow_makes_of_them(kind, data):
    cells = data.draw(st.lists(st.none() | VALUES[kind]))

    found = from_cells(cells, kind)

    found.validate(full=True)
    assert found.equals(pa.array(cells, KINDS[kind]))


def test_what_is_no_text_is_spelled_out():
    assert from_cells([1, 0.5, True, None, "问"], str).to_pylist() == ["1", "0.5", "True", None, "问"]


@pytest.mark.parametrize(("cell", "kind"), [(2**63, int), (-(2**63) - 1, int), (2**53 + 1, float)])
def test_a_whole_number_that_does_not_fit_is_refused(cell, kind):
    with pytest.raises(OverflowError):
        from_cells([0, cell], kind)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", "float16", "float32", "float64"])
def test_numbers_go_and_come_back_without_being_copied(dtype):
    values = np.arange(6).astype(dtype)[1:]

    array = from_numpy(values)

    assert array.equals(pa.array(values))
    assert to_numpy(array).dtype == values.dtype
    assert to_numpy(array[2:4]).tolist() == [3, 4]
    assert np.shares_memory(to_numpy(array), values)
    assert to_numpy(array[:0]).tolist() == to_numpy(from_numpy(values[:0])).tolist() == []


def test_pandas_stays_out_where_it_is_installed(tmp_path):
    pytest.importorskip("pandas")
    code = """
import sys
from pathlib import Path
from tests.stages.project import pictures
project = pictures(Path(sys.argv[1]))
project.prepare()
print("pandas" in sys.modules)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
