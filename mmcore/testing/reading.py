"""What a modality promises of `read`: the same array for the same cell, and an error that names what is broken."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmcore.errors import DataError, MmcoreError
from mmcore.interfaces.modality import Cell, Modality
from mmcore.registry.settings import Part, settings_of
from mmcore.testing.plugin import PluginContract
from mmcore.testing.variants import other_values

_Read = tuple[Mapping[str, Any] | None, list[np.ndarray]]


class ReadingContract(PluginContract):
    """The part of the modalities' contract that lies between a cell and its array."""

    kind = "modality"

    def cells(self, folder: Path) -> list[Cell]:
        """Good cells; files are written under `folder`."""
        raise NotImplementedError

    def broken(self, folder: Path) -> list[Cell]:
        """Cells that cannot be read."""
        raise NotImplementedError

    def make(self, *, seed: int = 0) -> Modality:
        """Not yet fitted."""
        raise NotImplementedError

    def fitted(self, folder: Path) -> Modality:
        """Fitted on the cells."""
        raise NotImplementedError

    def test_reading_is_deterministic(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        for cell in self.cells(tmp_path):
            torch.manual_seed(0)
            one = modality.read(cell, tmp_path)
            torch.manual_seed(1)
            assert identical(one, modality.read(cell, tmp_path)), (
                f"{cell!r} is read otherwise the second time. What is random belongs into augment."
            )

    def test_reading_depends_on_the_content_not_the_place(self, tmp_path: Path) -> None:
        here, there = tmp_path / "here", tmp_path / "there"
        here.mkdir()
        modality, cells = self.make(), self.cells(here)
        modality.fit(cells, here)
        shutil.copytree(here, there)
        for cell in cells:
            assert identical(modality.read(cell, here), modality.read(cell, there)), (
                f"{cell!r} is read otherwise from another folder: relative paths start at `base`, whatever it is."
            )

    def test_a_number_is_read_as_it_is_written_too(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        for cell in self.cells(tmp_path):
            if isinstance(cell, int | float):
                why = f"{cell!r} is read, but {str(cell)!r} is not, or otherwise: in use cells come as texts, take both"
                try:
                    array = modality.read(str(cell), tmp_path)
                except DataError as error:
                    pytest.fail(f"{why}. {error}")
                assert identical(array, modality.read(cell, tmp_path)), f"{why}."

    def test_arrays_are_plain_and_finite(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        for cell in self.cells(tmp_path):
            array = modality.read(cell, tmp_path)
            assert isinstance(array, np.ndarray), f"read must give a numpy array but gives {type(array).__name__}."
            assert array.dtype.kind in "biuf", f"the store keeps numbers, but read gives dtype {array.dtype}."
            assert np.isfinite(array).all(), (
                f"what is read from {cell!r} is not finite; raise DataError for such a cell."
            )

    def test_modalities_that_read_by_the_same_read_the_same(self, tmp_path: Path) -> None:
        cells, other = self.cells(tmp_path), self.make()
        modality = self.fitted(tmp_path)
        other.fit([*cells, *cells[:1] * len(cells)], tmp_path)
        if modality.reads_by() is None or other.reads_by() != modality.reads_by():
            return
        json.dumps(modality.reads_by())
        for cell in cells:
            assert identical(modality.read(cell, tmp_path), other.read(cell, tmp_path)), (
                f"{cell!r} is read otherwise after another fit, but reads_by is the same: name there what was learned."
            )

    def test_settings_that_reads_by_leaves_out_do_not_change_what_is_read(self, tmp_path: Path) -> None:
        cells = self.cells(tmp_path)[:3]  # each value costs a fit on them
        before = self._read_with({}, cells, tmp_path)
        if before is None or before[0] is None:
            return
        for key, setting in settings_of(self.plugin()).items():
            for value in other_values(setting.annotation, self.settings.get(key, setting.default)):
                after = self._read_with({key: value}, cells, tmp_path)
                if after is None or after[0] != before[0]:
                    continue
                pairs = zip(cells, before[1], after[1], strict=True)
                odd = [cell for cell, one, other in pairs if not identical(one, other)]
                assert not odd, (
                    f"with {key}={value!r}, {odd[0]!r} is read otherwise, but reads_by is the same: arrays that were "
                    f"read with another {key} would be kept. Name it there."
                )

    def _read_with(self, settings: Mapping[str, Any], cells: Sequence[Cell], folder: Path) -> _Read | None:
        """What it reads by with other settings, and the arrays; None where these settings cannot be."""
        try:
            part = Part(self.name, {**self.settings, **settings})
            modality: Modality = self.plugins().modality.build(part, where="modality")
            modality.fit(cells, folder)
            return modality.reads_by(), [modality.read(cell, folder) for cell in cells]
        except MmcoreError:
            return None

    def test_a_prompt_does_not_end(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        end = modality.facts().get("eos")
        for cell in self.cells(tmp_path) if end is not None else []:
            try:
                prompt = modality.prompt(cell, tmp_path)
            except DataError:  # a conversation that ends with an answer
                continue
            assert prompt.size, f"the prompt of {cell!r} is empty: a text is written on from its last token."
            assert prompt.flat[-1] != end, (
                f"the prompt of {cell!r} ends with eos: what is written on it would begin after its end. Leave it out."
            )

    def test_a_broken_cell_is_told_by_name(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        for cell in self.broken(tmp_path):
            caught: DataError | None = None
            try:
                modality.read(cell, tmp_path)
            except DataError as error:
                caught = error
            assert caught, f"read takes {cell!r}, which broken() says is none. Raise DataError that names it."
            plain = Path(str(cell)).name if modality.files else str(cell)[:20]
            spellings = (plain, repr(plain)[1:-1])  # {cell!r} writes \n for the end of a line
            assert any(spelling in str(caught) for spelling in spellings), (
                f"the error does not name what is broken, {cell!r}: {caught}"
            )
            if modality.files:
                assert caught.path is not None, f"DataError(.., path=..) must carry the file: {caught}"

    def test_a_missing_file_is_told_by_name(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        if modality.files:
            with pytest.raises(DataError, match="no-such-file"):
                modality.read("no-such-file.bin", tmp_path)

    def test_cells_that_are_paths_of_files_are_said_to_be(self, tmp_path: Path) -> None:
        modality, cells = self.fitted(tmp_path), self.cells(tmp_path)
        paths = [cell for cell in cells if isinstance(cell, str) and os.path.isfile(tmp_path / cell)]
        assert modality.files or not paths, (
            f"{paths[0]!r} is a file. Set files = True: else copies of it under other names are not known as copies, "
            "and stand in training and test split both."
        )


def identical(one: np.ndarray, other: np.ndarray) -> bool:
    """Same type, shape and bytes."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
