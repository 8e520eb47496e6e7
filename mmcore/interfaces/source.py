"""A source: where rows come from."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmcore.interfaces.modality import Cell

Row = Mapping[str, Cell | None]
"""One sample: column name -> value or path; None where it is missing."""

WHOLE = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
NUMBER = re.compile(r"-?((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[+-]?\d+)?|-?inf|nan", re.ASCII | re.IGNORECASE)


def number_in(text: str) -> int | float | None:
    """The number that a text is, whole where it has neither point nor exponent; None where it is a name.

    With zeros in front (007) it is one, and so it is with more digits than Python reads. Blanks round it do not count.
    """
    text = text.strip()
    try:
        if WHOLE.fullmatch(text):
            return int(text)
        return float(text) if NUMBER.fullmatch(text) else None
    except ValueError:  # a whole number of more than 4,300 digits
        return None


class BrokenRow(dict[str, Cell | None]):
    """A row that the source cannot make whole: what is known of it in every column, and why it cannot be used.

    It stands in its place among `rows`; ingest puts it into quarantine, and fails where there are too many of them.
    """

    def __init__(self, cells: Row, reason: str) -> None:
        """cells: every column, None where it is not known."""
        super().__init__(cells)
        self.reason = reason


class Source(ABC):
    """Yields one row a sample, always in the same order; new rows come at the end.

    Settings are keyword arguments. Nothing is opened in the constructor.
    """

    @property
    @abstractmethod
    def base(self) -> Path:
        """Where relative paths in cells start; looked up again at each run, never stored."""

    @property
    @abstractmethod
    def watch(self) -> Sequence[str]:
        """Paths relative to the project that ingest depends on; empty where the data lies in an installed package."""

    @property
    def version(self) -> str:
        """Changes when the data changes, for sources that have no path to watch."""
        return ""

    @abstractmethod
    def columns(self) -> Sequence[str]:
        """The names of the columns. Raises DataError that names the file where it cannot be read."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Every sample, with every name of `columns`; a BrokenRow where one sample is at fault.

        Raises DataError that names the file and the line where the data as a whole cannot be read.
        """

    def rows_as_written(self) -> Iterator[Row]:
        """As `rows`, but each row by itself, for a model in use: no cell depends on what stands in other rows.

        Override it where `rows` looks at a whole column to tell what its cells are.
        """
        return self.rows()
