"""The source `table`: picks the reader by the format."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mm_sources.table.delimited import read_csv, read_csv_header, read_csv_texts
from mm_sources.table.lines import read_lines, read_lines_header
from mm_sources.table.parquet import read_parquet, read_parquet_header
from mmcore.errors import ConfigError, DataError, listing
from mmcore.interfaces.source import Row, Source

Format = Literal["auto", "csv", "jsonl", "parquet"]

ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}

TABS = {"tab": "\t", "\\t": "\t"}
"""How a tab is spelt where none can be typed: a command line hands on the two signs \\t as they are."""

WORKBOOKS = (".xls", ".xlsx", ".xlsm", ".xlsb")
PACKED = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How workbooks begin, whatever they are called: ZIP files and, before 2007, compound documents."""


class TableSource(Source):
    """One row a sample. Relative paths in cells start in the table's folder."""

    def __init__(self, *, path: str, format: Format = "auto", delimiter: str | None = None) -> None:  # noqa: A002
        """path: relative to the project. format: auto goes by the file's ending.

        delimiter: of a CSV table, one sign or `tab`; None: a tab where the file's ending is .tsv, else a comma.
        Raises ConfigError where the delimiter is not one sign that can stand between cells.
        """
        if fault := self.settings_fault({"delimiter": delimiter}):
            raise ConfigError(f"data.source.{fault}")
        self.path = Path(path)
        self.format = format
        if delimiter is None:
            delimiter = "\t" if self.path.suffix.lower() == ".tsv" else ","
        self.delimiter = TABS.get(delimiter, delimiter)

    @classmethod
    def settings_fault(cls, settings: Mapping[str, Any]) -> str | None:
        """A delimiter that is none."""
        given = settings.get("delimiter")
        if given is None or given in TABS or (len(given) == 1 and given not in '"\r\n'):
            return None
        return f"delimiter must be one sign, no quote and no line end, or the word tab, but is {given!r}."

    @property
    def base(self) -> Path:
        """The table's folder."""
        return self.path.parent

    @property
    def watch(self) -> Sequence[str]:
        """The table's folder with the files in it; the table alone where that folder is the project itself."""
        return [str(self.path if self.base == Path() else self.base)]

    def columns(self) -> Sequence[str]:
        """The header's names; for JSON lines every key that a line has. Raises DataError that names the file."""
        path, kind = self._checked()
        if kind == "csv":
            return read_csv_header(path, self.delimiter)
        return read_lines_header(path) if kind == "jsonl" else read_parquet_header(path)

    def rows(self) -> Iterator[Row]:
        """Every row in the file's order. Raises DataError that names the file and the line."""
        path, kind = self._checked()
        if kind == "csv":
            return read_csv(path, self.delimiter)
        return read_lines(path) if kind == "jsonl" else read_parquet(path)

    def rows_as_written(self) -> Iterator[Row]:
        """Of a CSV table every cell is the text that stands there."""
        path, kind = self._checked()
        return read_csv_texts(path, self.delimiter) if kind == "csv" else self.rows()

    def _checked(self) -> tuple[Path, str]:
        """The file that is there, and its format."""
        if not self.path.is_file():
            what = "this is a folder" if self.path.is_dir() else f"there is no such file (looked in {Path.cwd()})"
            raise DataError(f"{what}. Set data.source.path to your table.", path=self.path)
        ending = self.path.suffix.lower()
        if (self.format == "auto" and ending in WORKBOOKS) or _is_packed(self.path):
            raise DataError(
                "this is a workbook of Excel, or packed as one is, and no table that is read. In Excel choose File, "
                "Save As, CSV UTF-8, and name the file that it writes.",
                path=self.path,
            )
        kind = ENDINGS.get(ending) if self.format == "auto" else self.format
        if kind is None:
            raise DataError(
                f"the ending {self.path.suffix!r} does not tell the format. Tables that are read end in "
                f"{listing(ENDINGS)}. To train on one that ends otherwise, set data.source.format to csv, jsonl or "
                "parquet.",
                path=self.path,
            )
        return self.path, kind


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in PACKED
