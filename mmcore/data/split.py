"""Which split a group belongs to: a function of its name and a seed, so that it stays there as data grows."""

import hashlib
from typing import Literal

from mmcore.data.settings import SplitSettings
from mmcore.errors import ConfigError, DataError
from mmcore.interfaces.modality import Cell

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")

SPELLINGS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What a column may say, in small letters."""


class Dealer:
    """Deals groups to splits."""

    def __init__(self, settings: SplitSettings, *, cut: bool = False) -> None:
        """cut: with a column, take validation from its training groups. Raises ConfigError where nothing is left."""
        if settings.column is None and settings.validation + settings.test >= 1:
            raise ConfigError(
                f"data.split.validation ({settings.validation:g}) and data.split.test ({settings.test:g}) leave "
                "nothing to train on: together they must be below 1."
            )
        self._settings = settings
        self._cut = cut

    def deal(self, group: str, declared: Split | None) -> Split:
        """The split of a group. declared: what the split column says; None where there is no such column."""
        if declared is not None and not (self._cut and declared == "train"):
            return declared
        place = place_of(group, self._settings.seed)
        test = self._settings.test if declared is None else 0.0
        if place < test:
            return "test"
        return "validation" if place < test + self._settings.validation else "train"


def place_of(group: str, seed: int) -> float:
    """A number in [0, 1) that only the group and the seed decide."""
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56  # 56 bits: exact in a float, never rounded up to 1


def named_split(cell: Cell | None) -> Split | None:
    """The split that a cell of the split column names; None where it names none."""
    return SPELLINGS.get(str(cell).strip().lower())


def declared_split(cell: Cell | None) -> Split:
    """As `named_split`. Raises DataError where it is none of the splits."""
    found = named_split(cell)
    if found is None:
        if cell is None:
            raise DataError("no split is given (data.split.column=null has rows dealt to splits)")
        raise DataError("a split is one of train, validation, test")
    return found
