import codecs
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mmcore.errors import DataError
from mmcore.interfaces.source import Row, Source
from mmcore.predictor import Told, answer_table, as_csv, as_lines, write_table
from mmcore.registry.plugins import installed
from mmcore.testing.toys import toy_plugins

HEADER = "id,vector,sequence\n"


class Lines(Source):
    """As little of a table source as reads these tests' files."""

    def __init__(self, *, path: str) -> None:
        self.path = Path(path)

    @property
    def base(self) -> Path:
        return self.path.parent

    @property
    def watch(self) -> Sequence[str]:
        return []

    def columns(self) -> Sequence[str]:
        if self.path.suffix == ".jsonl":
            return list(json.loads(self.path.read_text(encoding="utf-8").splitlines()[0]))
        return self.path.read_text(encoding="utf-8").splitlines()[0].split(",")

    def rows(self) -> Iterator[Row]:
        with self.path.open(encoding="utf-8", newline="") as file:
            if self.path.suffix == ".jsonl":
                yield from map(json.loads, file)
                return
            yield from ({name: cell or None for name, cell in row.items()} for row in csv.DictReader(file))


class Sources:
    """A registry that has this one source."""

    def build(self, part, *, where):
        assert part.name == "table"
        return Lines(**part.settings)


@pytest.fixture
def plugins():
    return replace(toy_plugins(), source=Sources())


def told(predictor, plugins, path, text):
    path.write_text(text, encoding="utf-8")
    return answer_table(predictor, path, plugins=plugins)


def test_every_row_keeps_its_columns_and_gets_the_answer(predictor, plugins, tmp_path):
    found = told(predictor, plugins, tmp_path / "rows.csv", HEADER + "a,1 2 3,it is\nb,-1 2 3,not it\n")

    assert [row["id"] for row in found.rows] == ["a", "b"]
    assert [row["answer:label"] for row in found.rows] == [
        answers["answer"]["label"]
        for answers in predictor.predict(
            [{"vector": "1 2 3", "sequence": "it is"}, {"vector": "-1 2 3", "sequence": "not it"}]
        )
    ]
    assert not found.errors
    assert not found.missing


def test_a_row_that_cannot_be_read_says_why_and_the_others_are_answered(predictor, plugins, tmp_path):
    found = told(predictor, plugins, tmp_path / "rows.csv", HEADER + "a,1 2 3,it\nb,nonsense,it\nc,1 2 3,it\n")

    assert found.errors == 1
    assert "no vector" in found.rows[1]["error"]
    assert found.rows[0]["answer:label"] == found.rows[2]["answer:label"]


def test_an_input_without_a_column_is_told(predictor, plugins, tmp_path):
    found = told(predictor, plugins, tmp_path / "rows.csv", "id,vector\na,1 2 3\n")

    assert found.missing == ["sequence"]


def test_a_misspelt_column_is_refused_before_anything_is_predicted(predictor, plugins, tmp_path):
    with pytest.raises(DataError, match=r"'sequnce' is no field of the model. Did you mean 'sequence'"):
        told(predictor, plugins, tmp_path / "rows.csv", "vector,sequnce\n1 2 3,it\n")


def test_a_table_without_any_input_is_refused(predictor, plugins, tmp_path):
    with pytest.raises(DataError, match="no column is a field that the model looks at"):
        told(predictor, plugins, tmp_path / "rows.csv", "a,b\n1,2\n")


@pytest.mark.parametrize("header", ["vector;sequence", "id;vector;sequence;and more that nobody knows"])
def test_a_table_that_is_cut_at_another_sign_is_told_so(predictor, plugins, tmp_path, header):
    with pytest.raises(DataError, match="The header is one name, with ';' in it"):
        told(predictor, plugins, tmp_path / "rows.csv", f"{header}\n1 2 3;it\n")


@pytest.mark.parametrize("path", ["-", "/dev/null"])
def test_a_table_that_is_no_file_is_told_that_it_has_to_be_one(predictor, plugins, path):
    with pytest.raises(DataError, match="write it to a file"):
        answer_table(predictor, Path(path), plugins=plugins)


def test_a_table_without_rows_is_refused(predictor, plugins, tmp_path):
    with pytest.raises(DataError, match="the table has no rows"):
        told(predictor, plugins, tmp_path / "rows.csv", HEADER)


def test_a_table_that_is_not_there_is_refused(predictor, plugins, tmp_path):
    with pytest.raises(DataError, match="there is no such table"):
        answer_table(predictor, tmp_path / "rows.csv", plugins=plugins)


def test_a_folder_is_told_from_a_table_that_is_not_there(predictor, plugins, tmp_path):
    with pytest.raises(DataError, match=r"this is a folder\. Name the table in it"):
        answer_table(predictor, tmp_path, plugins=plugins)


@pytest.mark.parametrize(
    ("encoding", "ending", "kept"), [("utf-8-sig", "csv", True), ("utf-8", "csv", False), ("utf-8-sig", "jsonl", False)]
)
def test_a_byte_order_mark_is_kept_where_the_given_table_has_one(predictor, tmp_path, encoding, ending, kept):
    (tmp_path / "rows.csv").write_text(f"{HEADER}甲,1 2 3,it is\n", encoding=encoding)

    write_table(answer_table(predictor, tmp_path / "rows.csv", plugins=installed()), tmp_path / f"out.{ending}")

    written = (tmp_path / f"out.{ending}").read_bytes()
    assert written.startswith(codecs.BOM_UTF8) == kept
    assert written.count(codecs.BOM_UTF8) == kept
    assert "甲" in written.decode()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_written_table_reads_back_with_the_same_labels(predictor, plugins, tmp_path, ending):
    found = told(predictor, plugins, tmp_path / "rows.csv", HEADER + "甲,1 2 3,it\n乙,nonsense,it\n")
    out = tmp_path / f"out.{ending}"

    write_table(found, out)

    readers = {
        "csv": lambda: list(csv.DictReader(out.read_text(encoding="utf-8").splitlines())),
        "jsonl": lambda: [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()],
        "parquet": lambda: pq.read_table(out).to_pylist(),
    }
    rows = readers[ending]()
    assert [row["id"] for row in rows] == ["甲", "乙"]
    assert rows[0]["answer:label"] == found.rows[0]["answer:label"]
    assert "no vector" in rows[1]["error"]


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        ((1, "n/a"), ["1", "n/a"]),
        ((1, 2.5), [1.0, 2.5]),
        ((True, None), [True, None]),
        ((0.5, "a", 1), ["0.5", "a", "1"]),
    ],
)
def test_a_column_of_several_kinds_can_be_written_in_each_format(cells, kept, tmp_path):
    for ending in ("csv", "jsonl", "parquet"):
        write_table(Told([{"x": cell, "answer:label": "a"} for cell in cells], [], 0), tmp_path / f"out.{ending}")
    assert pq.read_table(tmp_path / "out.parquet")["x"].to_pylist() == kept


def test_an_unknown_ending_is_refused(predictor, plugins, tmp_path):
    found = told(predictor, plugins, tmp_path / "rows.csv", HEADER + "a,1 2 3,it\n")

    with pytest.raises(DataError, match="use csv, jsonl, parquet"):
        write_table(found, tmp_path / "out.xlsx")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_half_of_a_character_in_a_cell_costs_no_answer(predictor, plugins, tmp_path, ending):
    rows = [
        {"vector": "1 2 3", "note": "\ud83d x"},
        {"vector": "\ud83d", "note": "n"},
        {"vector": "1 2 3", "\ud83d": 1},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)

    found = told(predictor, plugins, tmp_path / "rows.jsonl", text)
    write_table(found, tmp_path / f"out.{ending}")

    assert found.rows[0]["note"] == "\\ud83d x"
    assert "answer:label" in found.rows[0]
    assert found.errors == 1
    as_lines(found).encode()
    as_csv(found).encode()


def test_answers_of_another_time_are_taken_off_first(predictor, plugins, tmp_path):
    header = "vector,sequence,error,answer:label,answer,note:old\n"
    text = header + "1 2 3,it,broken then,old,yes,a\nnonsense,it,,old,no,b\n"

    good, broken = told(predictor, plugins, tmp_path / "rows.csv", text).rows

    assert "error" not in good
    assert good["answer:label"] != "old"
    assert "no vector" in broken["error"]
    assert "answer:label" not in broken
    assert [(row["answer"], row["note:old"]) for row in (good, broken)] == [("yes", "a"), ("no", "b")]


def test_json_lines_have_null_for_what_is_no_number(predictor, plugins, tmp_path):
    found = told(predictor, plugins, tmp_path / "rows.jsonl", '{"vector": "1 2 3", "note": NaN, "most": Infinity}\n')
    (row,) = map(json.loads, as_lines(found).splitlines())
    assert (row["note"], row["most"]) == (None, None)


def test_a_column_that_is_merely_called_as_a_field_is_not_looked_at(predictor, plugins, tmp_path):
    by_columns = told(predictor, plugins, tmp_path / "a.csv", "numbers,words\n1 2 3,it is\n,not it\n")
    beside = told(
        predictor, plugins, tmp_path / "b.csv", "sequence,numbers,words,vector\nid-0,1 2 3,it is,x\nid-1,,not it,y\n"
    )

    assert not beside.errors
    assert [row["sequence"] for row in beside.rows] == ["id-0", "id-1"]
    assert [row["answer:label"] for row in beside.rows] == [row["answer:label"] for row in by_columns.rows]
