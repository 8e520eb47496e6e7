"""A modality: how one kind of raw data becomes numbers, and back."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from mmcore.interfaces.field import Field
from mmcore.interfaces.writing import UNKNOWN

Cell = str | int | float | bool
"""One raw cell of a table: a value, or the path of a file."""

Shown = tuple[str, Any]
"""("image", uint8 [H,W,3]), ("text", str), ("wave", (float [T], sample_rate_hz)) or ("number", float)."""


class Modality(ABC):
    """Raw cells to arrays, arrays to a batch, a batch to what an encoder embeds; ids back to what people read.

    The stages call `fit` once on the training split, `read` once a cell, and for each batch `collate`, then
    `augment` (while training only), then `prepare`. Settings are the constructor's keyword arguments.
    """

    files: bool = False
    """True where a cell is the path of a file: ingest then checks the path and hashes what it points to."""
    passes_for: str | None = None
    """Another modality, by entry-point name, whose encoders read this one too: batches and facts are of that kind."""
    corruptions: tuple[str, ...] = ()
    """The kinds of damage that `corrupt` knows: blur, noise, masked words."""

    talks: bool = False
    """A cell may be a conversation: a JSON list of {"from": human or gpt, "value": text}."""
    numbered: tuple[str, ...] = ()
    """The facts that list, by number, the names that `fit` learned: tokens, classes. Where a training starts from
    another model, the weights of a name go to where it is now."""

    @property
    def augments(self) -> bool:
        """Whether `augment` does anything with these settings; cached features need that it does not."""
        return type(self).augment is not Modality.augment

    def __init__(self) -> None:  # noqa: B027  a subclass need not have settings
        """Take settings; `fit` or `load` must follow before `facts`, `collate` or `prepare` is asked."""

    @abstractmethod
    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Learn what the training split has to teach: a tokenizer, a vocabulary, mean and deviation.

        cells: of the training split, without the missing ones: a value as often as it occurs, a file that several rows
        share once; they may be walked through more than once. base: where relative paths start.
        A cell that cannot be read is skipped here; the encode stage puts its row into quarantine.
        Raises DataError where nothing can be learned (no cell, one class only).
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `fit` learned into an existing folder, in open formats, byte-identical for the same input."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """The modality that `save` wrote, with the settings it was made with."""

    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """What encoders and tasks need to know: vocabulary, pad, bos, eos; channels; numbers, categories; classes."""

    def remarks(self) -> Sequence[str]:
        """What `fit` noticed in the training cells that a person should know, a sentence each; `save` keeps them.

        The fit stage prints them, and the report has them.
        """
        return ()

    @abstractmethod
    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """One raw cell as an array; deterministic, whatever was read before.

        In use cells come as texts: what is read of a number is read of it as it is written, too.
        base: where relative paths start. Raises DataError that names the file where the cell cannot be read.
        """

    def reads_by(self) -> Mapping[str, Any] | None:
        """What `read` looks at besides the cell, ready for JSON: settings, and of what `fit` learned.

        Arrays that were read by the same are kept when anything else changes. None: by all settings, and all that was
        learned.
        """
        return None

    def prompt(self, cell: Cell, base: Path) -> np.ndarray:
        """As `read`, of a cell that is to be written on: whole, and without an end; for modalities that are written.

        Raises DataError where nothing is left to write, too: a conversation that ends with an answer.
        """
        return self.read(cell, base)

    @abstractmethod
    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """Pad arrays to one batch.

        arrays: at least one, as `read` gave them; None where the sample lacks this field.
        Returns a Field whose first axis is len(arrays), in the order given; `present` is False where None stood.
        """

    def augment(self, field: Field, generator: torch.Generator) -> Field:
        """Random changes to a batch while training, on the batch's device; every random number is the generator's.

        A mask may change too, but each sample that is present keeps a real position, and an absent one gets none.
        """
        return field

    def prepare(self, field: Field) -> Field:
        """What every batch goes through, on its device, in training and in use: standardise, log-mel."""
        return field

    def corrupt(self, field: Field, kind: str, *, strength: float, generator: torch.Generator) -> Field:
        """A collated batch made worse in one of the ways of `corruptions`, to see how a score falls.

        strength: 0 changes nothing, 1 leaves hardly anything to see. generator: where every random number comes from.
        """
        raise NotImplementedError(f"{type(self).__name__} knows no corruption {kind!r}")

    def decode(self, values: Tensor) -> list[Any]:
        """Numbers back to what people read: ids [B,S] -> texts, classes [B] -> labels."""
        raise NotImplementedError(f"{type(self).__name__} cannot be written back")

    def decode_marked(self, values: Tensor) -> list[str]:
        """As `decode` of texts, with `writing.UNKNOWN` where a token is the fact `unknown`, which `decode` leaves out.

        What stands between two of them is decoded by itself: a modality that joins words with blanks says it better.
        """
        unknown = self.facts()["unknown"]
        found = list[str]()
        for row in values:
            places = (row == unknown).nonzero().flatten().tolist()
            runs = [row[start + 1 : end] for start, end in pairwise([-1, *places, len(row)])]
            found.append(UNKNOWN.join(self.decode(run.unsqueeze(0))[0] if len(run) else "" for run in runs))
        return found

    def show(self, array: np.ndarray) -> Shown:
        """What `read` gave, for a report."""
        return "text", str(array)
