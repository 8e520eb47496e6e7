"""What a source promises."""

import builtins
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import pytest

from mmcore.data.cells import cell_of
from mmcore.errors import DataError
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.source import BrokenRow, Row, Source
from mmcore.registry.settings import Part
from mmcore.testing.elsewhere import rows_elsewhere
from mmcore.testing.plugin import PluginContract


class SourceContract(PluginContract):
    """Inherit and name the source; where it reads files, write them in `source_settings`.

    Each test runs with a folder of its own as the working folder, as the project's root would be.
    """

    kind = "source"

    def source_settings(self, folder: Path) -> Mapping[str, Any]:
        """Write what the source reads under `folder`; return its settings, paths relative to `folder`."""
        return self.settings

    def example(self, folder: Path) -> Mapping[str, Any]:
        """Those of `source_settings`."""
        return self.source_settings(folder)

    def broken_in(self, folder: Path) -> Sequence[Mapping[str, Any]]:
        """Settings under which rows cannot be read: a file that is missing, empty, damaged."""
        return ()

    @pytest.fixture(autouse=True)
    def _inside_a_folder_of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def build(self, folder: Path) -> Source:
        """The source over what `source_settings` wrote."""
        return self.built(self.source_settings(folder))

    def built(self, settings: Mapping[str, Any]) -> Source:
        """The source with some settings."""
        made: Source = self.plugins().source.build(Part(self.name, settings), where="data.source")
        return made

    def test_rows_come_twice_in_the_same_order(self, tmp_path: Path) -> None:
        source = self.build(tmp_path)
        first = _known(source.rows())
        assert first, "the source yields no row."
        assert first == _known(source.rows()), "the second walk over rows() gives others, or another order."
        assert first == _known(self.build(tmp_path).rows()), "another instance gives other rows, or another order."

    def test_another_process_gives_the_same_rows_in_the_same_order(self, tmp_path: Path) -> None:
        settings = self.source_settings(tmp_path)
        first = _known(self.built(settings).rows())
        target = self.plugins().source.point(self.name).value
        there, error = rows_elsewhere({"target": target, "settings": dict(settings)})
        assert error is None, f"reading fails in a process of its own:\n{error}"
        assert first == _known(there), (
            "another process gives other rows, or another order: rows could move to other splits. Sets and hash() "
            "change from process to process: sort."
        )

    def test_every_row_has_exactly_the_columns(self, tmp_path: Path) -> None:
        source = self.build(tmp_path)
        columns = list(source.columns())
        assert len(set(columns)) == len(columns), f"columns() names one twice: {columns}."
        wrong = [(number, sorted(row)) for number, row in enumerate(source.rows()) if set(row) != set(columns)]
        assert not wrong, f"row {wrong[0][0]} has {wrong[0][1]}, but columns() says {sorted(columns)}."

    def test_rows_as_written_are_the_same_rows(self, tmp_path: Path) -> None:
        source = self.build(tmp_path)
        rows, written = list(source.rows()), list(source.rows_as_written())
        assert len(rows) == len(written), f"rows() gives {len(rows)} rows, rows_as_written() {len(written)}."
        gaps = [{name for name, cell in row.items() if cell != cell} for row in rows]  # nan may stand there as a text
        there, also = (
            [known.keys() - gap for known, gap in zip(_known(each), gaps, strict=True)] for each in (rows, written)
        )
        assert there == also, "rows_as_written() lacks other cells than rows()."

    def test_a_broken_row_says_why(self, tmp_path: Path) -> None:
        for number, row in enumerate(self.build(tmp_path).rows()):
            silent = isinstance(row, BrokenRow) and not row.reason.strip()
            assert not silent, f"row {number} is a BrokenRow without a reason: nobody could mend it."

    def test_cells_are_plain_values(self, tmp_path: Path) -> None:
        for number, row in enumerate(self.build(tmp_path).rows()):
            odd = {name: cell for name, cell in row.items() if not isinstance(cell, str | int | float | bool | None)}
            assert not odd, f"row {number} has cells that are no text, number, bool or None: {odd}."

    def test_base_is_a_folder(self, tmp_path: Path) -> None:
        base = self.build(tmp_path).base
        assert base.is_dir(), f"base is {base}, which is no folder: paths in cells could not be found."

    def test_watched_paths_are_relative(self, tmp_path: Path) -> None:
        source = self.build(tmp_path)
        absolute = [path for path in source.watch if PurePath(path).is_absolute()]
        assert not absolute, (
            f"watch names {absolute}: paths are relative to the project, or a clone could not use them."
        )
        gone = [path for path in source.watch if not (tmp_path / path).exists()]
        assert not gone, f"watch names {gone}, which are not there: DVC would fail."

    def test_the_version_is_the_same_each_time(self, tmp_path: Path) -> None:
        assert self.build(tmp_path).version == self.build(tmp_path).version, "version changes while the data does not."

    def test_nothing_is_opened_in_the_constructor(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = self.source_settings(tmp_path)
        self.built(settings)  # imports are done now
        monkeypatch.setattr(builtins, "open", _no_file)
        monkeypatch.setattr(Path, "open", _no_file)
        self.built(settings)

    def test_what_cannot_be_read_is_told_by_name(self, tmp_path: Path) -> None:
        for settings in self.broken_in(tmp_path):
            source = self.built(settings)
            with pytest.raises(DataError) as caught:
                list(source.rows())
            assert caught.value.path is not None, f"DataError(.., path=..) must carry the file: {caught.value}"

    def test_columns_of_what_cannot_be_read_work_or_raise_a_data_error(self, tmp_path: Path) -> None:
        for settings in self.broken_in(tmp_path):
            try:
                self.built(settings).columns()
            except DataError:
                continue
            except Exception as error:
                pytest.fail(f"columns() raises {error!r}; only a DataError reaches the user as words. Raise one.")


def _known(rows: Iterable[Row]) -> list[dict[str, Cell]]:
    """Of each row what is not missing: nan is not equal to itself, and counts as missing."""
    cells = ([(name, cell_of(row, name)) for name in row] for row in rows)
    return [{name: cell for name, cell in row if cell is not None} for row in cells]


def _no_file(*args: object, **settings: object) -> None:
    raise AssertionError("the constructor opens a file. It is called to check settings: open in columns() and rows().")
