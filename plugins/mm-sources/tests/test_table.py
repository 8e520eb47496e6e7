"""What a table may look like, and what is said of one that is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mm_sources.table import TableSource

from mmcore.errors import ConfigError, DataError


def table(folder: Path, content: bytes | str, *, name: str = "rows.csv", **settings) -> TableSource:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return TableSource(path=str(path), **settings)


def rows_of(source: TableSource) -> list[dict]:
    return [dict(row) for row in source.rows()]


def test_a_csv_gives_numbers_texts_and_missing_cells(tmp_path):
    source = table(tmp_path, "a,b,c\n1,0.5,x\n2,,y\n")
    assert list(source.columns()) == ["a", "b", "c"]
    assert rows_of(source) == [{"a": 1, "b": 0.5, "c": "x"}, {"a": 2, "b": None, "c": "y"}]


def test_blanks_round_numbers_do_not_count_and_those_of_texts_are_kept(tmp_path):
    assert rows_of(table(tmp_path, "a,b\n1, x\n 2,y\n  ,z\n")) == [
        {"a": 1, "b": " x"},
        {"a": 2, "b": "y"},
        {"a": None, "b": "z"},
    ]


def test_as_written_a_cell_is_its_text_whatever_stands_in_other_rows(tmp_path):
    lines = ["7.00,1.10", " 7,12345678901234567.1", ",x"]
    given = [{"a": "7.00", "b": "1.10"}, {"a": " 7", "b": "12345678901234567.1"}, {"a": None, "b": "x"}]
    assert list(table(tmp_path, "\n".join(["a,b", *lines])).rows_as_written()) == given
    for line, row in zip(lines, given, strict=True):
        assert list(table(tmp_path, f"a,b\n{line}\n").rows_as_written()) == [row]


@pytest.mark.parametrize("cells", ["007,2", '"007",2', "1e5x,2", "+1,2", "1_0,2", "e5,3"])
def test_a_column_with_one_cell_that_is_no_plain_number_stays_text(tmp_path, cells):
    first, second = cells.replace('"', "").split(",")
    source = table(tmp_path, "id,other\n" + cells.replace(",", ",x\n") + ",x\n")
    assert [row["id"] for row in source.rows()] == [first, second]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert list(table(tmp_path, b"\xef\xbb\xbftext\nhello\n").columns()) == ["text"]


def test_a_quoted_cell_may_hold_line_ends_delimiters_and_quotes(tmp_path):
    source = table(tmp_path, 'text,n\n"two\nlines, and ""quotes""",1\n')
    assert rows_of(source) == [{"text": 'two\nlines, and "quotes"', "n": 1}]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_chinese_and_blank_lines_are_read_with_either_line_end(tmp_path, ending):
    source = table(tmp_path, ending.join(["问题,答案", "这是什么颜色?,红", "", "那个呢?,蓝", ""]))
    assert [row["答案"] for row in source.rows()] == ["红", "蓝"]


@pytest.mark.parametrize("delimiter", ["\t", "\\t", "tab", None])
def test_a_tab_may_be_spelt_as_a_command_line_can_and_is_known_by_the_ending(tmp_path, delimiter):
    assert rows_of(table(tmp_path, "a\tb\n1\tx\n", name="rows.tsv", delimiter=delimiter)) == [{"a": 1, "b": "x"}]


def test_other_delimiters_may_be_given_whatever_the_ending(tmp_path):
    assert rows_of(table(tmp_path, "a;b\n1;x\n", name="rows.tsv", delimiter=";")) == [{"a": 1, "b": "x"}]


@pytest.mark.parametrize("delimiter", ["", "tabs", ", ", '"', "\n"])
def test_a_delimiter_that_is_none_is_refused_with_how_to_write_a_tab(tmp_path, delimiter):
    with pytest.raises(ConfigError, match=r"data.source.delimiter must be one sign.* or the word tab, but is"):
        table(tmp_path, "a,b\n1,2\n", delimiter=delimiter)
    assert TableSource.settings_fault({"path": "rows.csv", "delimiter": delimiter})


def test_a_cell_may_be_longer_than_the_csv_module_likes(tmp_path):
    assert len(rows_of(table(tmp_path, "text\n" + "x" * 300_000 + "\n"))[0]["text"]) == 300_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the table is empty"),
        ("a,a\n1,2\n", "names 'a' twice"),
        ("a,\n1,2\n", "column 2 has no name"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, but the header has 2"),
        ('a,b\n"x\ny",2\n3\n', "line 4 has 1 cells"),
        ('a,b\n1,"open\n2,3\n', "begins in line 2 is not CSV"),
        (b"a\nfine\n\xe9t\xe9\n", "line 3, byte 1 is not UTF-8"),
        ("a\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_broken_csv_is_told_with_file_and_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        rows_of(table(tmp_path, content))
    assert "rows.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("表.xlsx", b"PK\x03\x04\x14\x00", {}),
        ("rows.XLS", b"<table></table>", {}),  # what many a web page calls so
        ("rows.xlsx", b"PK\x03\x04\x14\x00", {"format": "csv"}),
        ("rows.csv", b"PK\x03\x04\x14\x00", {}),
        ("rows.jsonl", b"\xd0\xcf\x11\xe0\xa1\xb1", {}),
    ],
)
def test_a_workbook_is_told_with_how_to_make_a_table_of_it(tmp_path, name, content, settings):
    source = table(tmp_path, content, name=name, **settings)
    for look in (source.columns, lambda: rows_of(source)):
        with pytest.raises(DataError, match=rf"{name}: this is a workbook of Excel.*Save As, CSV UTF-8, and name"):
            look()


def test_a_table_with_a_workbooks_ending_is_read_as_the_format_that_is_set(tmp_path):
    assert rows_of(table(tmp_path, "a\n1\n", name="rows.xls", format="csv")) == [{"a": 1}]


def test_json_lines_keep_types_and_fill_in_missing_keys(tmp_path):
    source = table(tmp_path, '{"a": "007", "b": 1}\n\n{"b": 2.5, "c": [1, "é"]}\n', name="rows.jsonl")
    assert list(source.columns()) == ["a", "b", "c"]
    assert rows_of(source) == [{"a": "007", "b": 1, "c": None}, {"a": None, "b": 2.5, "c": '[1, "é"]'}]


@pytest.mark.parametrize(
    ("content", "message"), [('{"a": 1}\n{"a": \n', "line 2 is not JSON"), ("[1]\n", "line 1 must be an object")]
)
def test_broken_json_lines_are_told_with_file_and_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        rows_of(table(tmp_path, content, name="rows.jsonl"))


def test_parquet_gives_its_values(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": ["x", None], "n": [1, 2], "f": [0.5, None]}), path)
    source = TableSource(path=str(path))
    assert list(source.columns()) == ["a", "n", "f"]
    assert rows_of(source) == [{"a": "x", "n": 1, "f": 0.5}, {"a": None, "n": 2, "f": None}]


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.large_binary(),
        pa.binary(3),
        pa.list_(pa.binary()),
        pa.struct([("a", pa.int8()), ("bytes", pa.list_(pa.binary()))]),
        pa.map_(pa.string(), pa.binary()),
        pa.dictionary(pa.int8(), pa.binary()),
    ],
    ids=str,
)
def test_parquet_with_bytes_in_it_says_what_to_do(tmp_path, kind):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image": pa.array([None], kind)}), path)
    with pytest.raises(DataError, match=r"'image' holds bytes.*put their paths"):
        rows_of(TableSource(path=str(path)))


def test_what_is_only_called_binary_holds_no_bytes(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"binary": [1], "about": [{"is_binary": True}]}), path)
    assert rows_of(TableSource(path=str(path))) == [{"binary": 1, "about": '{"is_binary": true}'}]


@pytest.mark.parametrize("content", [b"", b"no parquet at all"])
def test_a_file_that_is_no_parquet_is_told(tmp_path, content):
    with pytest.raises(DataError, match="no Parquet file"):
        table(tmp_path, content, name="rows.parquet").columns()


def test_a_table_that_is_not_there_names_the_setting_to_mend(tmp_path):
    with pytest.raises(DataError, match=r"no such file.*data\.source\.path"):
        TableSource(path=str(tmp_path / "rows.csv")).columns()


def test_an_unknown_ending_names_those_that_are_read_and_where_the_format_can_be_said(tmp_path):
    with pytest.raises(DataError, match=r"read end in .*\.csv.* To train on .* set data\.source\.format"):
        table(tmp_path, "a\n1\n", name="rows.txt").columns()
    assert rows_of(table(tmp_path, "a\n1\n", name="rows.txt", format="csv")) == [{"a": 1}]


def test_paths_start_in_the_tables_folder_and_that_folder_is_watched():
    assert TableSource(path="data/rows.csv").base == Path("data")
    assert list(TableSource(path="data/rows.csv").watch) == ["data"]
    assert list(TableSource(path="rows.csv").watch) == ["rows.csv"]


WITHOUT_PANDAS = """
import json, sys
class Gone:
    def find_spec(self, name, *_):
        if name == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Gone())
from mm_sources.table import TableSource
print(json.dumps([dict(row) for row in TableSource(path=sys.argv[1]).rows()]))
"""


def test_times_to_the_nanosecond_become_iso_texts_without_pandas(tmp_path):
    counts, zones = [1_700_000_000_000_000_001, 1_700_000_000_000_000_000, -1, None], [None, "UTC", "+02:00"]
    columns = {str(zone): pa.array(counts, pa.timestamp("ns", zone)) for zone in zones}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    command = [sys.executable, "-c", WITHOUT_PANDAS, str(tmp_path / "rows.parquet")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for zone, end in zip(zones, ("", "+00:00", "+02:00"), strict=True):
        texts = [row[str(zone)] for row in found]
        assert texts[0].endswith(f":13:20.000000001{end}")
        assert texts[1].endswith(f":13:20{end}")
        assert texts[2].endswith(f":59:59.999999999{end}")
        assert texts[3] is None


def test_two_columns_of_one_name_in_parquet_are_told(tmp_path):
    both = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(both, tmp_path / "rows.parquet")
    source = TableSource(path=str(tmp_path / "rows.parquet"))
    with pytest.raises(DataError, match="two columns are called 'a'"):
        source.columns()
    with pytest.raises(DataError, match="two columns are called 'a'"):
        list(source.rows())


def test_a_number_of_more_digits_than_python_reads_makes_its_column_texts(tmp_path):
    long = "9" * 5000
    assert [row["n"] for row in table(tmp_path, f"n,x\n1,a\n{long},b\n").rows()] == ["1", long]
