"""The table and easy-VQA keep the promises of mmcore.interfaces.source."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mmcore.testing import SourceContract

ROWS = [{"text": "hello", "n": 1}, {"text": "你好", "n": None}, {"text": None, "n": 3}]


class TableContract(SourceContract):
    name = "table"

    def broken_in(self, folder: Path):
        (folder / "ragged.csv").write_text("a,b\n1\n")
        (folder / "empty.csv").write_text("")
        (folder / "half.jsonl").write_text('{"a": 1}\n{"a"')
        (folder / "text.parquet").write_text("no parquet")
        names = ("nowhere.csv", "ragged.csv", "empty.csv", "half.jsonl", "text.parquet")
        return [{"path": name} for name in names]


class TestCSV(TableContract):
    def source_settings(self, folder: Path):
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "rows.csv").write_text("text,n\nhello,1\n你好,\n,3\n", encoding="utf-8")
        return {"path": "data/rows.csv"}


class TestJSONLines(TableContract):
    def source_settings(self, folder: Path):
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        return {"path": "rows.jsonl"}


class TestParquet(TableContract):
    def source_settings(self, folder: Path):
        pq.write_table(pa.Table.from_pylist(ROWS), folder / "rows.parquet")
        return {"path": "rows.parquet"}


class TestEasyVQA(SourceContract):
    name = "easy-vqa"
