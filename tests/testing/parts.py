"""Parts that contracts and mutants need beside the toys."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from mmcore.errors import BuildError, DataError
from mmcore.interfaces.connector import ConnectorMaker
from mmcore.interfaces.field import Field
from mmcore.interfaces.fusion import Fusion, LateFusion, Port, Streams
from mmcore.interfaces.modality import Cell
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import PluginOf
from mmcore.interfaces.source import Row, Source
from mmcore.interfaces.tokens import Tokens
from mmcore.testing.toys.modalities import LabelModality, SequenceModality


class ToyRiders(Fusion):
    """One shared token rides behind every elastic field through its last stage, and is averaged over those present."""

    def __init__(self, ports: Mapping[str, Port]) -> None:
        super().__init__(ports)
        elastic = [name for name in sorted(ports) if ports[name].elastic]
        if not elastic:
            raise BuildError("no field takes tokens.")
        self.riding = tuple(name for name in elastic if ports[name].widths[-2:] == ports[elastic[0]].widths[-2:])
        self.token = nn.Parameter(torch.randn(ports[self.riding[0]].widths[-2]))
        self.taps = {**self.taps, **dict.fromkeys(self.riding, "between")}
        self.looks_ahead = frozenset(self.riding)
        self.writes = {name: port.width for name, port in ports.items()} | {"ridden": ports[self.riding[0]].width}

    def forward(self, runs: Mapping[str, Run]) -> Streams:
        for name in self.riding:
            run = runs[name]
            run.advance(run.depth - 1)
            run.append(Tokens.of(self.token.expand(len(run.own.mask), 1, -1)))
        ends = {name: runs[name].finish() for name in sorted(runs)}
        share = self.share([ends[name] for name in self.riding])
        ridden = torch.stack([runs[name].guests.values for name in self.riding]) * share
        return {**ends, "ridden": Tokens.of(ridden.sum(0) / share.sum(0).clamp_min(1))}

    def share(self, fields: Sequence[Tokens]) -> torch.Tensor:
        """[fields,B,1,1]: 1 where a field is present."""
        return torch.stack([tokens.present for tokens in fields])[..., None, None].float()


class ToyConnected(LateFusion):
    """Each field through a connector: `NAME/connected`."""

    def __init__(
        self, ports: Mapping[str, Port], *, connector: Annotated[ConnectorMaker, PluginOf("connector")]
    ) -> None:
        super().__init__(ports)
        self.names = tuple(sorted(ports))
        self.connect = nn.ModuleList(connector(ports[name].width, 4) for name in self.names)
        self.writes = {**self.writes, **{f"{name}/connected": 4 for name in self.names}}

    def combine(self, streams: Mapping[str, Tokens]) -> Streams:
        pairs = zip(self.names, self.connect, strict=True)
        return {f"{name}/connected": layer(streams[name]) for name, layer in pairs}


class WordsDropped(SequenceModality):
    """Hides words at random, through the mask alone; quotes the cell that it cannot read."""

    def augment(self, field: Field, generator: torch.Generator) -> Field:
        assert field.mask is not None, "sequences are ragged"
        kept = torch.rand(field.mask.shape, generator=generator) > 0.3
        kept[:, 0] = True
        return replace(field, mask=field.mask & kept)

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        if not str(cell).strip():
            raise DataError(f"{cell!r} has no words.")
        return super().read(cell, base)


class LabelInTwoWalks(LabelModality):
    """Looks at its cells twice, as it may."""

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        known = {str(cell) for cell in cells}
        super().fit((cell for cell in cells if str(cell) in known), base)


class LabelInFile(LabelModality):
    """The label is what the file holds."""

    files = True

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        labels = list[Cell]()
        for cell in cells:
            with suppress(DataError):  # the encode stage puts its row into quarantine
                labels.append(_label_in(cell, base))
        super().fit(labels, base)

    def read(self, cell: Cell, base: Path) -> np.ndarray:
        return super().read(_label_in(cell, base), base)

    def decode(self, values: Tensor) -> list[str]:
        raise NotImplementedError("a label does not tell its file")


def _label_in(cell: Cell, base: Path) -> str:
    try:
        return (base / str(cell)).read_text()
    except OSError as error:
        raise DataError("cannot be read.", path=str(cell)) from error


class ToySource(Source):
    """Numbers from 0 on."""

    def __init__(self, *, count: int = 5) -> None:
        self.count = count

    @property
    def base(self) -> Path:
        return Path()

    @property
    def watch(self) -> Sequence[str]:
        return []

    def columns(self) -> Sequence[str]:
        return ["number", "text"]

    def rows(self) -> Iterator[Row]:
        for number in range(self.count):
            yield {"number": number, "text": str(number)}


class ToyGaps(ToySource):
    """Right all the same: one number is nan, which is missing, and a text in use; a blank text is missing too."""

    def rows(self) -> Iterator[Row]:
        for row in super().rows():
            yield {**row, "number": float("nan"), "text": ""} if row["number"] == 1 else row

    def rows_as_written(self) -> Iterator[Row]:
        for row in super().rows():
            yield {"number": "nan", "text": None} if row["number"] == 1 else row


class ToyFile(Source):
    """The lines of a file."""

    def __init__(self, *, path: str) -> None:
        self.path = Path(path)

    @property
    def base(self) -> Path:
        return Path()

    @property
    def watch(self) -> Sequence[str]:
        return [str(self.path)]

    def columns(self) -> Sequence[str]:
        return ["text"]

    def rows(self) -> Iterator[Row]:
        try:
            lines = self.path.read_text().split("\n")
        except OSError as error:
            raise DataError("cannot be read.", path=self.path) from error
        yield from ({"text": line} for line in lines)
