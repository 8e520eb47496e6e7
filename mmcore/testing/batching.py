"""What a modality promises about batches: collate, augment, prepare."""

# B = samples of a batch

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mmcore.errors import listing
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Modality
from mmcore.testing.damage import same_mask
from mmcore.testing.gpu import waits_on_a_gpu
from mmcore.testing.module import SAME, generator
from mmcore.testing.perturb import far, junk, with_junk_in_masked_places
from mmcore.testing.plugin import PluginContract


class BatchingContract(PluginContract):
    """The part of the modalities' contract that begins where `read` ends."""

    kind = "modality"

    def raw(self, folder: Path) -> tuple[Modality, list[np.ndarray]]:
        """A fitted modality and what it read: at least six arrays."""
        raise NotImplementedError

    def test_collate_keeps_the_order(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        order = torch.randperm(len(arrays), generator=generator(1))
        one = modality.collate(arrays).pick(order)
        two = modality.collate([arrays[n] for n in order.tolist()])
        assert far(_real(one), _real(two)) == 0, "collate must keep the samples in the order given."

    def test_collate_marks_what_is_absent(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        field = modality.collate([None if n in (1, 4) else array for n, array in enumerate(arrays)])
        expected = [n not in (1, 4) for n in range(len(arrays))]
        assert len(field) == len(arrays), f"collate of {len(arrays)} arrays gives {len(field)} rows."
        assert field.present.tolist() == expected, "`present` must be False exactly where None stood."
        assert not field.complete, "complete says that every sample is present, but two are not."
        left = torch.tensor([n for n, there in enumerate(expected) if there])
        assert far(_real(field.pick(left)), _real(modality.collate([arrays[n] for n in left.tolist()]))) == 0, (
            "a sample is collated otherwise when another one is absent."
        )

    def test_a_batch_without_any_sample_goes_all_the_way(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        full, empty = modality.collate(arrays), modality.collate([None, None])
        assert len(empty) == 2, f"collate of two absent samples gives {len(empty)} rows."
        assert not empty.present.any(), "two absent samples are marked as present."
        assert empty.values.dtype == full.values.dtype, "the type of a batch changes when nothing is present."
        assert empty.values.ndim == full.values.ndim, "the number of axes changes when nothing is present."
        ready = modality.prepare(modality.augment(empty, generator()))
        assert ready.values.isfinite().all(), "prepare makes something that is not finite of filler."

    def test_preparing_on_a_gpu_does_not_wait_for_it(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        waits = waits_on_a_gpu(modality.prepare, modality.collate(arrays))
        assert not waits, (
            f"prepare waits for the device at each batch: {listing(waits)}. Make tensors there, or copy with "
            "non_blocking=True."
        )

    def test_collate_takes_a_single_sample(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        assert len(modality.collate(arrays[:1])) == 1, "collate of one array must give one row."

    def test_collate_takes_arrays_that_cannot_be_written(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        for array in arrays:
            array.flags.writeable = False  # as those of the memory-mapped store
        before = [array.tobytes() for array in arrays]
        modality.prepare(modality.augment(modality.collate(arrays), generator()))
        for field in (modality.collate(arrays), modality.collate(arrays[:1])):
            field.values.mul_(0)
        assert before == [array.tobytes() for array in arrays], "a batch shares its memory with the store: copy."

    def test_masks_cover_what_is_real(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        field = modality.collate([None, *arrays])
        if field.mask is None:
            return
        assert field.mask.shape == field.values.shape[:2], "a field's mask must be [B,S], along the first ragged axis."
        assert field.mask[1:].any(1).all(), "a sample that is present has no real position."
        assert not field.mask[0].any(), "an absent sample has real positions: its row is filler."

    def test_augment_draws_from_its_generator_alone(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        found = list[Field]()
        for seed in (0, 1):
            _seed_everything(seed)
            found.append(modality.augment(modality.collate(arrays), generator(3)))
        assert _same(*found), (
            "with the same generator augment gives something else: it draws from a global generator. Hand `generator` "
            "to every random call, or a training that is killed and started again ends with other weights."
        )

    def test_augment_leaves_global_random_numbers_alone(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        field = modality.collate(arrays)
        _seed_everything(0)
        before = _draws()
        _seed_everything(0)
        modality.augment(field, generator(3))
        assert before == _draws(), "augment takes random numbers from a global generator; use the one it is given."

    def test_augment_says_whether_it_changes_anything(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        field = modality.collate(arrays)
        changed = any(not _same(modality.augment(field, generator(seed)), field) for seed in range(5))
        assert changed == modality.augments, (
            f"`augments` is {modality.augments}, but augment {'changes' if changed else 'never changes'} a batch with "
            "these settings: features would be cached where they must not, or not where they could."
        )

    def test_augment_and_prepare_keep_rows_and_presence(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        field = modality.collate([None, *arrays])
        for step, after in {
            "augment": modality.augment(field, generator()),
            "prepare": modality.prepare(field),
        }.items():
            assert torch.equal(after.present, field.present), f"{step} changes which samples are present."
            assert (after.mask is None) == (field.mask is None), f"{step} makes or loses the mask."
            if after.mask is None:
                continue
            assert after.mask.shape == after.values.shape[:2], f"{step} changes the length of values or mask alone."
            assert torch.equal(after.mask.any(1), after.present), (
                f"{step} leaves a sample that is present no real position, or gives an absent one some."
            )

    def test_augment_and_prepare_leave_their_input_alone(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        field = modality.collate(arrays)
        before = replace(field, values=field.values.clone(), mask=None if field.mask is None else field.mask.clone())
        modality.augment(field, generator())
        modality.prepare(field)
        assert _same(before, field), "augment or prepare writes into the batch that it is given."

    def test_prepare_gives_the_same_each_time(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        field = modality.collate(arrays)
        _seed_everything(0)
        one = modality.prepare(field)
        _seed_everything(1)
        assert torch.equal(one.values, modality.prepare(field).values), "prepare is random; that belongs into augment."
        assert one.values.isfinite().all(), "prepare gives something that is not finite."

    def test_prepare_treats_each_sample_by_itself(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        whole, alone = modality.prepare(modality.collate(arrays)), modality.prepare(modality.collate(arrays[2:3]))
        distance = far(_real(whole.pick(torch.tensor([2]))), _real(alone))
        assert distance < SAME, (
            "prepare gives a sample other numbers in company: take statistics in fit, not in a batch, and let collate "
            "say in the mask what is padding."
        )

    def test_prepare_does_not_look_at_filler(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        field = modality.collate([*arrays, None])
        filled = with_junk_in_masked_places(field, generator(2)).values.clone()
        filled[-1] = junk(field.values, generator(3))[-1]
        one, two = modality.prepare(field), modality.prepare(replace(field, values=filled))
        left = torch.arange(len(arrays))
        assert far(_real(one.pick(left)), _real(two.pick(left))) < SAME, (
            "padding or the rows of absent samples change what prepare makes of the others."
        )

    def test_field_values_are_what_the_mask_says(self, tmp_path: Path) -> None:
        modality, arrays = self.raw(tmp_path)
        ready = modality.prepare(modality.collate(arrays))
        assert ready.values.shape[0] == len(arrays), "prepare changes the number of samples."
        if ready.mask is not None and ready.mask.shape[1] != ready.values.shape[1]:
            pytest.fail("prepare changes the length of values but not of the mask.")


def _real(field: Field) -> Tensor:
    """Every real number of a field, sample after sample, as one vector."""
    values = field.values[field.present] if field.mask is None else field.values[field.mask]
    return values.double().flatten()


def _same(one: Field, other: Field) -> bool:
    """The same values, and the same of them real."""
    return torch.equal(one.values, other.values) and same_mask(one, other)


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # the global generator: it must not matter
    torch.manual_seed(seed)


def _draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(()).item()
