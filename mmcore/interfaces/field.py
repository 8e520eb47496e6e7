"""One named column of one batch, and the batch."""

# B = samples of a batch, S = positions along the ragged axis

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Field:
    """One column as `Modality.collate` gave it.

    values: [B, ...]; image uint8 [B,3,H,W], text ids [B,S], audio [B,T], table [B,F], class [B].
    present: [B] bool; False where the sample lacks this field: its row is filler that nobody may look at.
    mask: [B,S] bool along the ragged axis, True = real; None where every position is real.
    scored: [B,S] bool, where a loss looks at a written field: not at the prompt; None where it looks at all of it.
    complete: True only where it is known that every sample is present; a Python value, so that nobody has to ask the
    device. The dataset sets it; whoever takes samples away (`hide`) takes it back.
    padded: True where it would be complete but for rows at the end that stand for nothing, with which the dataset makes
    the parts of several processes equally long.
    """

    values: Tensor
    present: Tensor
    mask: Tensor | None = None
    scored: Tensor | None = None
    complete: bool = False
    padded: bool = False

    def __post_init__(self) -> None:
        assert self.present.dtype == torch.bool, "present must be bool"
        assert self.present.shape == self.values.shape[:1], "present must have one entry for each sample"
        assert self.mask is None or self.mask.dtype == torch.bool, "mask must be bool"

    def __len__(self) -> int:
        return len(self.present)

    def written(self) -> Tensor:
        """[B,S] bool: of a field that is written the last run of scored tokens, in a conversation the last answer.

        What is judged: written from all that stands before it, it is compared with what stands here.
        """
        scored = self.present.unsqueeze(1).expand(self.values.shape[:2])
        scored = scored if self.mask is None else scored & self.mask
        if self.scored is None:
            return scored
        given, scored = scored & ~self.scored, scored & self.scored
        places = torch.arange(scored.shape[1], device=scored.device)
        last = (places * scored).amax(1, keepdim=True)
        begin = ((places + 1) * (given & (places < last))).amax(1, keepdim=True)  # behind what is given before it
        return scored & (places >= begin)

    def with_values(self, values: Tensor) -> Self:
        """The same rows with other values."""
        return replace(self, values=values)

    def hide(self, rows: Tensor) -> Self:
        """The same field, absent in the rows named by an index or a bool mask."""
        present = self.present.clone()
        present[rows] = False
        return replace(self, present=present, complete=False, padded=False)

    def pick(self, rows: Tensor) -> Self:
        """The rows named by an index or a bool mask, in that order."""
        mask = None if self.mask is None else self.mask[rows]
        scored = None if self.scored is None else self.scored[rows]
        return replace(self, values=self.values[rows], present=self.present[rows], mask=mask, scored=scored)

    def to(self, device: torch.device | str) -> Self:
        """The same field on another device; copies do not block where memory is pinned."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        mask = None if self.mask is None else moved(self.mask)
        scored = None if self.scored is None else moved(self.scored)
        return replace(self, values=moved(self.values), present=moved(self.present), mask=mask, scored=scored)

    def pinned(self) -> Self:
        """The same field in memory that a GPU copies from while others work."""
        mask = None if self.mask is None else self.mask.pin_memory()
        scored = None if self.scored is None else self.scored.pin_memory()
        values, present = self.values.pin_memory(), self.present.pin_memory()
        return replace(self, values=values, present=present, mask=mask, scored=scored)


@dataclass(frozen=True)
class Batch:
    """Fields by name, and which sample each row is.

    row: [B] long, index into the manifest. group: [B] long, equal for samples that belong together
    (several captions of one image: they are no negatives of each other).
    """

    fields: Mapping[str, Field]
    row: Tensor
    group: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def with_fields(self, changed: Mapping[str, Field]) -> Self:
        """The same samples with some fields replaced."""
        return replace(self, fields={**self.fields, **changed})

    def pick(self, rows: Tensor) -> Self:
        """The samples named by an index or a bool mask, in that order."""
        fields = {name: field.pick(rows) for name, field in self.fields.items()}
        return replace(self, fields=fields, row=self.row[rows], group=self.group[rows])

    def to(self, device: torch.device | str) -> Self:
        """The same batch on another device; copies do not block where memory is pinned."""
        fields = {name: field.to(device) for name, field in self.fields.items()}
        row, group = (tensor.to(device, non_blocking=True) for tensor in (self.row, self.group))
        return replace(self, fields=fields, row=row, group=group)

    def pinned(self) -> Self:
        """The same batch in memory that a GPU copies from while others work."""
        fields = {name: field.pinned() for name, field in self.fields.items()}
        return replace(self, fields=fields, row=self.row.pin_memory(), group=self.group.pin_memory())
