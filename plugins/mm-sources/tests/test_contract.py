"""Both sources keep the promises of mmcore.interfaces.source."""

from pathlib import Path

from mmcore.testing.source import SourceContract


class TestTable(SourceContract):
    name = "table"

    def source_settings(self, folder: Path):
        (folder / "rows.csv").write_text("text,label\nhello,a\n你好,b\n,a\n", encoding="utf-8")
        return {"path": str(folder / "rows.csv")}


class TestEasyVQA(SourceContract):
    name = "easy-vqa"

    def source_settings(self, folder: Path):
        return {}
