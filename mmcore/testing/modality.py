"""What a modality promises."""

# B = samples of a batch

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmcore.errors import DataError
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality
from mmcore.interfaces.writing import UNKNOWN
from mmcore.testing.batching import BatchingContract
from mmcore.testing.damage import DamageContract, same_mask
from mmcore.testing.elsewhere import fit_elsewhere
from mmcore.testing.module import generator
from mmcore.testing.reading import ReadingContract, identical

SHOWS: Mapping[str, Callable[[Any], bool]] = {
    "image": lambda what: isinstance(what, np.ndarray) and what.dtype == np.uint8 and what.shape[2:] == (3,),
    "text": lambda what: isinstance(what, str),
    "wave": lambda what: what[0].ndim == 1 and what[0].dtype.kind == "f" and what[1] > 0,
    "number": lambda what: isinstance(what, int | float),
}
"""What reports can show, by its kind."""


class ModalityContract(ReadingContract, BatchingContract, DamageContract):
    """Inherit, name the modality, and write some cells::

    class TestText(ModalityContract):
        name = "text"

        def cells(self, folder: Path) -> list[Cell]: ...
        def broken(self, folder: Path) -> list[Cell]: ...
    """

    def cells(self, folder: Path) -> list[Cell]:
        """At least six good cells that are not all alike; files are written under `folder`, paths relative to it."""
        raise NotImplementedError

    def broken(self, folder: Path) -> list[Cell]:
        """Cells that cannot be read; files are written under `folder`."""
        raise NotImplementedError

    def make(self, *, seed: int = 0) -> Modality:
        """Not yet fitted. Global random numbers differ with `seed`: the modality may not."""
        torch.manual_seed(seed)
        np.random.seed(seed)  # the global generator: it must not matter
        made: Modality = self.plugins().modality.build(self.part(), where="modality")
        return made

    def fitted(self, folder: Path) -> Modality:
        """Fitted on the cells."""
        modality = self.make()
        modality.fit(self.cells(folder), folder)
        return modality

    def test_fitting_twice_saves_the_same_bytes(self, tmp_path: Path) -> None:
        cells, saved = self.cells(tmp_path), list[Mapping[str, bytes]]()
        for seed in (0, 1):
            modality = self.make(seed=seed)
            modality.fit(cells, tmp_path)
            saved.append(_saved(modality, tmp_path / f"saved-{seed}"))
        assert saved[0] == saved[1], (
            f"{_different(*saved)} differ between two fits on the same cells. Seed every random step, write no time, "
            "sort what has no order."
        )

    def test_fitting_in_another_process_saves_the_same_bytes(self, tmp_path: Path) -> None:
        cells = self.cells(tmp_path)
        modality = self.make()
        modality.fit(cells, tmp_path)
        here, there = _saved(modality, tmp_path / "here"), tmp_path / "there"
        there.mkdir()
        order = {
            "target": self.plugins().modality.point(self.name).value,
            "settings": dict(self.settings),
            "cells": cells,
            "base": str(tmp_path),
            "folder": str(there),
        }
        error = fit_elsewhere(order)
        assert error is None, f"fitting fails in a process of its own:\n{error}"
        assert here == _contents(there), (
            f"{_different(here, _contents(there))} differ when another process fits on the same cells. Sets and hash() "
            "change from process to process: sort."
        )

    def test_fit_on_nothing_works_or_raises_a_data_error(self, tmp_path: Path) -> None:
        modality = self.make()
        with suppress(DataError):  # any other error would reach the user as a traceback
            modality.fit([], tmp_path)

    def test_fit_skips_what_cannot_be_read(self, tmp_path: Path) -> None:
        cells, broken = self.cells(tmp_path), self.broken(tmp_path)
        modality, with_broken = self.make(), self.make()
        modality.fit(cells, tmp_path)
        try:
            with_broken.fit([*broken, *cells], tmp_path)
        except Exception as error:
            pytest.fail(f"fit fails on cells that cannot be read ({error!r}): skip them, encode puts them aside.")
        if modality.files:
            assert same(modality.facts(), with_broken.facts()), "files that cannot be read change what fit learns."

    def test_what_was_saved_loads_with_the_same_facts(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        loaded = self.loaded(modality, tmp_path)
        assert same(modality.facts(), loaded.facts()), (
            "facts change through save and load (a tuple that became a list?)."
        )
        again = _saved(loaded, tmp_path / "again")
        assert again == _contents(tmp_path / "saved"), "what was loaded saves other bytes than it was loaded from."

    def test_what_it_remarks_is_kept(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        assert list(self.loaded(modality, tmp_path).remarks()) == list(modality.remarks()), (
            "remarks change through save and load: the report would not have what the fit stage told."
        )

    def test_what_it_lists_by_number_is_names(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        facts = modality.facts()
        for what in modality.numbered:
            names = facts.get(what)
            listed = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
            assert listed, (
                f"numbered says {what!r}, but facts() has no list of texts there: weights of a model that a training "
                "starts from would have no names to go by."
            )

    def test_what_was_saved_names_no_absolute_path(self, tmp_path: Path) -> None:
        for name, content in _saved(self.fitted(tmp_path), tmp_path / "saved").items():
            assert str(tmp_path).encode() not in content, (
                f"{name} holds an absolute path: the folder could not move, and its bytes would differ."
            )

    def test_a_loaded_modality_reads_the_same(self, tmp_path: Path) -> None:
        modality, cells = self.fitted(tmp_path), self.cells(tmp_path)
        loaded = self.loaded(modality, tmp_path)
        raw = [modality.read(cell, tmp_path) for cell in cells]
        turned = [loaded.read(cell, tmp_path) for cell in reversed(cells)]  # nothing may be learned in reading
        for cell, one, other in zip(cells, raw, reversed(turned), strict=True):
            assert identical(one, other), (
                f"{cell!r} is read otherwise after save and load, and after other cells: does read learn, or is "
                "something of what fit learned not saved?"
            )
        one_field, other_field = modality.prepare(modality.collate(raw)), loaded.prepare(loaded.collate(raw))
        assert torch.equal(one_field.values, other_field.values), "prepare gives other numbers after save and load."

    def test_a_loaded_modality_changes_a_batch_in_the_same_way(self, tmp_path: Path) -> None:
        modality, raw = self.raw(tmp_path)
        loaded = self.loaded(modality, tmp_path)
        found = [list(_changed(one, raw)) for one in (modality, loaded)]
        assert modality.augments == loaded.augments, "`augments` is another after save and load."
        for (what, one), (_, other) in zip(*found, strict=True):
            same_batch = torch.equal(one.values, other.values) and same_mask(one, other)
            assert same_batch, f"{what} is another after save and load: is something of what fit learned not saved?"

    def test_decoding_and_reading_again_gives_the_same(self, tmp_path: Path) -> None:
        modality, cells = self.fitted(tmp_path), self.cells(tmp_path)
        field = modality.prepare(modality.collate([modality.read(cell, tmp_path) for cell in cells]))
        try:
            first = modality.decode(field.values)
        except NotImplementedError:
            return
        again = modality.prepare(modality.collate([modality.read(item, tmp_path) for item in first]))
        second = modality.decode(again.values)
        assert len(first) == len(cells), f"decode gives {len(first)} items for {len(cells)} samples."
        pairs = zip(first, second, strict=True)
        assert all(one == (pytest.approx(other) if isinstance(one, float) else other) for one, other in pairs), (
            "decode is not the way back: what it writes is read as something else."
        )

    def test_the_unknown_token_is_marked_where_it_stands(self, tmp_path: Path) -> None:
        modality, cells = self.fitted(tmp_path), self.cells(tmp_path)
        facts = modality.facts()
        unknown = facts.get("unknown")
        if unknown is None or unknown in (facts.get("eos"), facts.get("pad")):
            return
        given = [modality.collate([modality.read(cell, tmp_path)]).values for cell in cells]
        with_unknown = [torch.cat([ids[:, :1], torch.tensor([[unknown]]), ids[:, 1:]], 1) for ids in given]
        found = [modality.decode_marked(ids)[0] for ids in with_unknown]
        assert all(UNKNOWN in text for text in found), f"decode_marked leaves an unknown token out of {found!r}."
        plain = [modality.decode(ids[ids != unknown].unsqueeze(0))[0] for ids in given]
        pairs = list(zip(found, plain, strict=True))
        assert all(_letters(text) == _letters(known) for text, known in pairs), (
            f"decode_marked is not decode with {UNKNOWN} in it: {pairs!r}."
        )

    def test_everything_can_be_shown(self, tmp_path: Path) -> None:
        modality = self.fitted(tmp_path)
        for cell in self.cells(tmp_path):
            kind, what = modality.show(modality.read(cell, tmp_path))
            assert kind in SHOWS, f"reports cannot show {kind!r}; see Shown."
            assert SHOWS[kind](what), (
                f"what is shown of {cell!r} is no {kind} as Shown wants it, but {type(what).__name__}."
            )

    def loaded(self, modality: Modality, folder: Path) -> Modality:
        """The modality through save and load; its files are in folder/saved."""
        _saved(modality, folder / "saved")
        made: Modality = self.plugin().load(folder / "saved", **self.settings)
        return made

    def raw(self, folder: Path) -> tuple[Modality, list[np.ndarray]]:
        """A fitted modality and what it read."""
        modality = self.fitted(folder)
        return modality, [modality.read(cell, folder) for cell in self.cells(folder)]


def _changed(modality: Modality, raw: Sequence[np.ndarray]) -> Iterator[tuple[str, Field]]:
    """A batch as it is prepared for training, and after each kind of damage."""
    field = modality.collate(raw)
    yield "what augment and prepare give", modality.prepare(modality.augment(field, generator(7)))
    for kind in modality.corruptions:
        yield f"the damage {kind!r}", modality.corrupt(field, kind, strength=0.5, generator=generator(7))


def same(one: Any, other: Any) -> bool:
    """Whether two values of facts are alike, types included."""
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, np.ndarray | torch.Tensor):
        return type(one) is type(other) and identical(np.asarray(one), np.asarray(other))
    return type(one) is type(other) and bool(one == other)


def _saved(modality: Modality, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    modality.save(folder)
    return _contents(folder)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _different(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> str:
    return ", ".join(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


def _letters(text: str) -> str:
    """Without UNKNOWN and blanks."""
    return "".join(text.replace(UNKNOWN, "").split())
