"""What a modality promises of damage done on purpose."""

from pathlib import Path

import numpy as np
import torch

from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Modality
from mmcore.testing.module import generator
from mmcore.testing.plugin import PluginContract


class DamageContract(PluginContract):
    """The part of the modalities' contract that concerns `corrupt`; passes by where none is known."""

    def raw(self, folder: Path) -> tuple[Modality, list[np.ndarray]]:
        """A fitted modality and what it read."""
        raise NotImplementedError

    def test_damage_of_strength_0_changes_nothing(self, tmp_path: Path) -> None:
        for kind, modality, field in self._each(tmp_path):
            found = modality.corrupt(field, kind, strength=0.0, generator=generator(0))
            assert torch.equal(found.values, field.values), f"{kind}: strength 0 must leave every value as it is."

    def test_damage_changes_values_and_nothing_else(self, tmp_path: Path) -> None:
        for kind, modality, field in self._each(tmp_path):
            for strength in (0.5, 1.0):
                found = modality.corrupt(field, kind, strength=strength, generator=generator(0))
                assert found.values.shape == field.values.shape, f"{kind}: the shape changes."
                assert found.values.dtype == field.values.dtype, f"{kind}: the type changes."
                assert torch.equal(found.present, field.present), f"{kind}: samples come or go."
                assert same_mask(found, field), f"{kind}: what is real changes."
                assert not torch.equal(found.values, field.values), f"{kind} of strength {strength} changes nothing."
                ready = modality.prepare(found).values
                assert not ready.is_floating_point() or bool(torch.isfinite(ready).all()), f"{kind}: not finite."

    def test_damage_is_the_generators(self, tmp_path: Path) -> None:
        for kind, modality, field in self._each(tmp_path):
            found = list[torch.Tensor]()
            for seed in (0, 1):
                torch.manual_seed(seed)
                np.random.seed(seed)  # the global generators: they must not matter
                found.append(modality.corrupt(field, kind, strength=0.5, generator=generator(7)).values)
            assert torch.equal(*found), f"{kind}: the same generator gives another damage; draw from it alone."

    def test_damage_does_not_write_into_the_batch(self, tmp_path: Path) -> None:
        for kind, modality, field in self._each(tmp_path):
            before = field.values.clone()
            modality.corrupt(field, kind, strength=1.0, generator=generator(0))
            assert torch.equal(before, field.values), f"{kind} changes the batch that it was given; make a new one."

    def _each(self, folder: Path) -> list[tuple[str, Modality, Field]]:
        modality, arrays = self.raw(folder)
        return [(kind, modality, modality.collate([*arrays, None])) for kind in modality.corruptions]


def same_mask(one: Field, other: Field) -> bool:
    """Whether both hold the same positions for real."""
    if one.mask is None or other.mask is None:
        return one.mask is other.mask
    return torch.equal(one.mask, other.mask)
