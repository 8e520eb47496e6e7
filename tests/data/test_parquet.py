import subprocess
import sys

import pyarrow as pa
import pytest

from mmcore.data.parquet import ParquetColumns, read_parquet, table_of, write_parquet

TABLE = pa.table({"name": ["a", None, "b"], "number": [3, 1, 2]})


def test_columns_come_back_one_by_one_and_together(tmp_path):
    write_parquet(tmp_path / "x.parquet", TABLE)
    columns = ParquetColumns(tmp_path / "x.parquet")

    assert columns.num_rows == 3
    assert columns.column_names == ["name", "number"]
    assert columns["number"].to_pylist() == [3, 1, 2]
    assert table_of(columns).equals(TABLE)
    assert read_parquet(tmp_path / "x.parquet").equals(TABLE)


def test_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was(tmp_path):
    write_parquet(tmp_path / "x.parquet", TABLE)
    columns = ParquetColumns(tmp_path / "x.parquet")
    write_parquet(tmp_path / "x.parquet", TABLE.slice(1))

    assert columns["number"].to_pylist() == [3, 1, 2]


def test_rising_numbers_take_less_than_they_would_plain(tmp_path):
    rising = pa.table({"mark": pa.array(range(0, 10**7, 1000), pa.int64())})
    write_parquet(tmp_path / "packed.parquet", rising, packed=["mark"])

    assert read_parquet(tmp_path / "packed.parquet").equals(rising)
    assert (tmp_path / "packed.parquet").stat().st_size < rising.nbytes / 4


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(pa.ArrowInvalid):
        ParquetColumns(tmp_path / "x.parquet")


def test_reading_a_file_does_not_bring_in_the_query_engine(tmp_path):
    write_parquet(tmp_path / "x.parquet", TABLE)
    code = (
        "import sys; from pathlib import Path; from mmcore.data.parquet import read_parquet; "
        "read_parquet(Path(sys.argv[1])); print('pyarrow.dataset' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.parquet")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
