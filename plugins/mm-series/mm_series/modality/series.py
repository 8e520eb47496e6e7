"""The modality `series`: several channels measured at equal steps."""

# B = samples of a batch, S = steps, C = channels

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch

from mm_series.modality.files import Recording, read_file
from mm_series.modality.statistics import Statistics, commonest
from mm_series.modality.steps import averaged, resampled, sketched
from mmcore.errors import ArtifactError, ConfigError, DataError, listing
from mmcore.interfaces.field import Field
from mmcore.interfaces.modality import Cell, Modality, Shown
from mmcore.interfaces.settings import Range

FILE = "series.json"
FARTHEST = 1e4
"""Deviations beyond which a number is cut, so that none becomes infinite in half precision."""


class SeriesModality(Modality):
    """Cells are paths of .npy or CSV files."""

    files = True

    def __init__(
        self,
        *,
        columns: tuple[str, ...] = (),
        channels_first: bool = False,
        delimiter: str | None = None,
        average: Annotated[int, Range(1, soft_high=64, log=True)] = 1,
        resample: Annotated[int, Range(1, soft_high=1024, log=True)] | None = None,
        max_steps: Annotated[int, Range(1, soft_high=4096, log=True)] = 1024,
        keep: Literal["start", "end"] = "start",
        standardise: bool = True,
        noise: Annotated[float, Range(0, soft_high=0.5)] = 0.0,
    ) -> None:
        """Settings: see conf/modality/series.yaml.

        Raises ConfigError where the delimiter is not one sign that can stand between cells.
        """
        super().__init__()
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise ConfigError(
                f"the delimiter of the modality series must be one sign, no quote and no line end, but is "
                f'{delimiter!r}. Write a tab as "\\t" in YAML.'
            )
        self.columns, self.channels_first, self.delimiter = columns, channels_first, delimiter
        self.average, self.resample, self.max_steps, self.keep = average, resample, max_steps, keep
        self.standardise, self.noise = standardise, noise
        self._learned = Statistics()

    @property
    def augments(self) -> bool:
        """Where there is noise."""
        return self.noise > 0

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        """The channels that most files have, and the mean and deviation of each.

        Raises DataError where no file can be read, with what is wrong with the first.
        """
        first: DataError | None = None
        found = dict[tuple[int, tuple[str, ...]], Statistics]()
        for cell in cells:
            try:
                recording = self._recording(cell, base)
            except DataError as error:
                first = first or error
                continue  # the encode stage puts it into quarantine
            kind = recording.values.shape[1], tuple(sorted(recording.names))
            found[kind] = found.get(kind, Statistics()).with_more(self._steps(recording.values), recording.names)
        if not found:
            why = f" The first: {first}" if first is not None else ""
            raise DataError(f"there is no series to learn from: none of the training split's files can be read.{why}")
        self._learned = commonest(found.values())

    def save(self, folder: Path) -> None:
        """series.json."""
        text = json.dumps(self._learned.to_json(), sort_keys=True, ensure_ascii=False, indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, **settings: Any) -> Self:
        """From series.json. Raises ArtifactError where it is not there."""
        made = cls(**settings)
        try:
            made._learned = Statistics.from_json(json.loads((folder / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{folder / FILE} cannot be used ({error}): run the fit stage again.") from error
        return made

    def facts(self) -> Mapping[str, Any]:
        """How many channels there are, their names (none where the files have none), and the longest series."""
        longest = self.max_steps if self.resample is None else min(self.resample, self.max_steps)
        return {"channels": self._learned.channels, "names": self._learned.names, "max_steps": longest}

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        """float32 [S,C,2]: the value as encoders see it (0 where missing), and 1 where it is known."""
        values = self._steps(self._matched(self._recording(cell, base), base / str(cell)))
        if self.standardise:
            values = (values - self._learned.mean) / self._learned.deviation
        known = ~np.isnan(values)
        amounts = np.where(known, values, 0).clip(-FARTHEST, FARTHEST)
        return np.stack([amounts, known], -1).astype(np.float32)

    def collate(self, arrays: Sequence[np.ndarray | None]) -> Field:
        """[B,S,C,2], zeros behind shorter ones; the mask is None where all are there and of one length."""
        lengths = torch.tensor([0 if array is None else len(array) for array in arrays])
        longest = max(1, int(lengths.max()))
        values = np.zeros((len(arrays), longest, self._learned.channels, 2), dtype=np.float32)
        for row, array in zip(values, arrays, strict=True):
            if array is not None:
                row[: len(array)] = array
        mask = torch.arange(longest) < lengths.unsqueeze(1)
        return Field(torch.from_numpy(values), lengths > 0, None if mask.all() else mask)

    def augment(self, field: Field, generator: torch.Generator) -> Field:
        """Noise on known values, in deviations."""
        if not self.noise:
            return field
        amounts, known = field.values.unbind(-1)
        drawn = torch.randn(amounts.shape, generator=generator, device=amounts.device)
        return field.with_values(torch.stack([amounts + self.noise * drawn * known, known], -1))

    def show(self, array: np.ndarray) -> Shown:
        """A sketch of all channels over time."""
        return "image", sketched(array[..., 0], array[..., 1] > 0)

    def _recording(self, cell: Cell, base: Path) -> Recording:
        """What a file holds, with the wanted channels."""
        if not isinstance(cell, str):
            raise DataError(f"a series is given by the path of its file, but the cell holds {cell!r}.", path=str(cell))
        return read_file(
            base / cell, columns=self.columns, channels_first=self.channels_first, delimiter=self.delimiter
        )

    def _matched(self, recording: Recording, path: Path) -> np.ndarray:
        """[T,C] in the order of the training split. Raises DataError where these are other channels."""
        names, own = self._learned.names, recording.names
        if recording.values.shape[1] != self._learned.channels:
            raise DataError(
                f"it has {recording.values.shape[1]} channels, the training split's files have "
                f"{self._learned.channels}{f' ({listing(names)})' if names else ''}.",
                path=path,
            )
        if not names or not own or own == names:
            return recording.values
        if set(own) != set(names):
            raise DataError(
                f"its channels are {listing(own)}, those of the training split {listing(names)}.", path=path
            )
        return recording.values[:, [own.index(name) for name in names]]

    def _steps(self, values: np.ndarray) -> np.ndarray:
        """Averaged, resampled and cut, as the settings say."""
        values = averaged(values, self.average)
        if self.resample is not None:
            values = resampled(values, self.resample)
        return values[: self.max_steps] if self.keep == "start" else values[-self.max_steps :]
