"""The source `table`: picks the reader by the format."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

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


class TableSource(Source):
    """One row a sample. Relative paths in cells start in the table's folder."""

    def __init__(self, *, path: str, format: Format = "auto", delimiter: str = ",") -> None:  # noqa: A002
        """path: relative to the project. format: auto goes by the file's ending. delimiter: of a CSV table.

        Raises ConfigError where the delimiter is not one sign that can stand between cells.
        """
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ConfigError(
                f"data.source.delimiter must be one sign, no quote and no line end, but is {delimiter!r}. "
                'In YAML a tab is "\\t", in double quotes.'
            )
        self.path = Path(path)
        self.format = format
        self.delimiter = delimiter

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
        kind = ENDINGS.get(self.path.suffix.lower()) if self.format == "auto" else self.format
        if kind is None:
            raise DataError(
                f"the ending {self.path.suffix!r} does not tell the format. Tables that are read end in "
                f"{listing(ENDINGS)}. To train on one that ends otherwise, set data.source.format to csv, jsonl or "
                "parquet.",
                path=self.path,
            )
        return self.path, kind
