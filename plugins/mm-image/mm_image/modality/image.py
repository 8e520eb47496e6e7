"""The modality `image`: a picture file becomes uint8 [H,W,3], a batch becomes standardised floats."""

# B = samples of a batch, H, W = height and width in pixels

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch

from mm_image.modality.augment import Augmentation
from mm_image.modality.damage import KINDS, damaged
from mm_image.modality.picture import PictureReader, Resize
from mm_image.modality.standard import standardised
from mmcore.errors import ArtifactError, DataError
from mmcore.interfaces.block import stacked
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown
from mmcore.interfaces.settings import Range

FILE = "image.json"
FIT_PICTURES = 1000  # their mean is off by less than a hundredth of the deviation; decoding all would double `encode`
KNOWN = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": ((0.481455, 0.457828, 0.408211), (0.268630, 0.261303, 0.275777)),
}


class ImageModality(Modality):
    """Cells are paths of picture files."""

    files = True
    corruptions = KINDS

    def __init__(
        self,
        *,
        size_px: Annotated[int, Range(1, 4096, log=True, soft_high=512)] = 64,
        resize: Resize = "crop",
        background: Annotated[tuple[int, int, int], Range(0, 255)] = (255, 255, 255),
        standardise: Literal["fit", "imagenet", "half", "clip"] = "half",
        rotation_deg: Annotated[float, Range(0, 180)] = 0.0,
        flip_horizontal: Annotated[float, Range(0, 1)] = 0.0,
        flip_vertical: Annotated[float, Range(0, 1)] = 0.0,
        shift_px: Annotated[int, Range(0, 4096, soft_high=32)] = 0,
        max_pixels: Annotated[int, Range(1, 89_478_485)] = 64_000_000,
    ) -> None:
        """size_px: height and width. The rest: see conf/modality/image.yaml. max_pixels ends at Pillow's own limit."""
        super().__init__()
        self.size_px = size_px
        self.reader = PictureReader(size_px, resize, background=background, max_pixels=max_pixels)
        self.augmentation = Augmentation(flip_horizontal, flip_vertical, shift_px=shift_px, rotation_deg=rotation_deg)
        self.standardise = standardise
        self.mean, self.deviation = KNOWN.get(standardise, KNOWN["half"])

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """Mean and deviation of each colour; only for `standardise: fit`.

        Of more than 1,000 pictures 1,000 to 1,999 are looked at, spread evenly.
        """
        paths = list(cells)
        if not paths:
            raise DataError("there is no picture to learn from: the training split has none.")
        if self.standardise != "fit":
            return
        step = max(1, len(paths) // FIT_PICTURES)
        means, squares = list[np.ndarray](), list[np.ndarray]()
        for path in paths[::step]:
            try:
                shares = self.read(path, base).transpose(2, 0, 1).reshape(3, -1) / 255
            except DataError:
                continue  # the encode stage puts it into quarantine
            means.append(shares.mean(1))
            squares.append((shares**2).mean(1))
        if not means:
            raise DataError(f"none of {len(paths[::step])} pictures can be read, the first being {paths[0]!r}.")
        mean = np.mean(means, 0)
        deviation = np.sqrt(np.maximum(np.mean(squares, 0) - mean**2, 0)).clip(1 / 255)
        self.mean, self.deviation = _rounded(mean), _rounded(deviation)

    def save(self, folder: Path) -> None:
        """Write mean and deviation as JSON."""
        learned = {"deviation": self.deviation, "mean": self.mean}
        (folder / FILE).write_text(json.dumps(learned, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """Read what `save` wrote. Raises ArtifactError where it is not there."""
        modality = cls(**settings)
        try:
            learned = json.loads((folder / FILE).read_text(encoding="utf-8"))
            modality.mean, modality.deviation = tuple(learned["mean"]), tuple(learned["deviation"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{folder / FILE} cannot be used ({error}): run the fit stage again.") from error
        return modality

    def facts(self) -> Mapping[str, Any]:
        """Channels, height and width."""
        return {"channels": 3, "height": self.size_px, "width": self.size_px}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """The path of a picture -> uint8 [H,W,3]."""
        if not isinstance(cell, str):
            raise DataError(f"a picture is given by the path of its file, but the cell holds {cell!r}.", path=str(cell))
        return self.reader.read(base / cell, cell)

    def reads_by(self) -> Mapping[str, Any]:
        """Size, cut, background and limit: neither colours nor random changes."""
        return asdict(self.reader)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """Pictures [H,W,3] -> uint8 [B,3,H,W], in channels_last; zeros where there is none.

        Raises ArtifactError where they are of another shape, as pictures were that an earlier version stored.
        """
        filler = np.zeros((self.size_px, self.size_px, 3), np.uint8)
        shape = next((array.shape for array in arrays if array is not None), filler.shape)
        if shape != filler.shape:
            raise ArtifactError(
                f"stored pictures are {list(shape)}, but {list(filler.shape)} was expected: run the encode stage again."
            )
        values, present = stacked(arrays, filler=filler)
        return Field(values.permute(0, 3, 1, 2), present)

    @property
    def augments(self) -> bool:
        """Whether any of the random changes is asked for."""
        chosen = self.augmentation
        return bool(chosen.flip_horizontal or chosen.flip_vertical or chosen.shift_px or chosen.rotation_deg)

    def augment(self, field: Field, generator: torch.Generator) -> Field:
        """Mirror, shift and turn at random."""
        return field.with_values(self.augmentation(field.values, generator))

    def corrupt(self, field: Field, kind: str, *, strength: float, generator: torch.Generator) -> Field:
        """Blur, noise or a grey hole; see damage.py."""
        return field.with_values(damaged(field.values, kind, strength=strength, generator=generator))

    def prepare(self, field: Field) -> Field:
        """Values of 0 to 255 -> float32 with the mean taken off, over the deviation, in channels_last."""
        return field.with_values(standardised(field.values, *self._line()))

    def show(self, array: np.ndarray) -> Shown:
        """The picture as [H,W,3]."""
        return "image", array

    def _line(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and offset of each channel, [3]: standardised = value * scale + offset."""
        mean, deviation = torch.tensor(self.mean), torch.tensor(self.deviation)
        return 1 / (255 * deviation), -mean / deviation


def _rounded(numbers: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(number), 6) for number in numbers)
