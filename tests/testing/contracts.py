"""The contracts held by the toys: the unbroken siblings of every mutant."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mmcore.errors import BuildError, DataError
from mmcore.interfaces.connector import ConnectorMaker
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Fusion, LateFusion, Port, Streams
from mmcore.interfaces.modality import Cell, Modality
from mmcore.interfaces.run import Run
from mmcore.interfaces.settings import PluginOf
from mmcore.interfaces.source import Row, Source
from mmcore.interfaces.tokens import Tokens
from mmcore.registry.plugins import GROUPS, Plugins
from mmcore.registry.settings import settings_of
from mmcore.testing import (
    ConnectorContract,
    EncoderContract,
    FusionContract,
    ModalityContract,
    SourceContract,
    TaskContract,
)
from mmcore.testing.plugin import PluginContract
from mmcore.testing.toys import toy_batch, toy_modalities, toy_rows
from mmcore.testing.toys.alignment import ToyAlignment
from mmcore.testing.toys.connector import ToyConnector
from mmcore.testing.toys.encoders import MLP, CausalGRU
from mmcore.testing.toys.fusion import ToyConcat, ToyPrefix
from mmcore.testing.toys.kit import toy_entry_points
from mmcore.testing.toys.modalities import LabelModality, SequenceModality, VectorModality
from mmcore.testing.toys.task import ToyClassification
from mmcore.testing.toys.writing import ToyGeneration


class Held(PluginContract):
    """A class that no package registers, held to a contract; the toys are there for what it is made of."""

    name = "toy"
    held: ClassVar[type[Any]]

    def plugins(self) -> Plugins:
        point = EntryPoint(self.name, f"{self.held.__module__}:{self.held.__qualname__}", GROUPS[self.kind])
        return Plugins.of(lambda group: [*([point] if group == point.group else []), *toy_entry_points(group)])

    def shipped(self) -> Mapping[str, Any]:
        """As if the package shipped the constructor's own defaults."""
        settings = settings_of(self.plugin()).items()
        return {"name": self.name, **{name: self.settings.get(name, setting.default) for name, setting in settings}}


class MLPContract(Held, EncoderContract):
    held = MLP
    facts = {"numbers": 3}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        return Field(torch.randn(samples, 3, generator=generator), torch.ones(samples, dtype=torch.bool))


class CausalGRUContract(Held, EncoderContract):
    held = CausalGRU
    facts = {"vocabulary": 9}

    def field(self, samples: int, generator: torch.Generator) -> Field:
        lengths = torch.randint(2, 7, (samples, 1), generator=generator)
        lengths[0] = 6
        values = torch.randint(1, 9, (samples, 6), generator=generator)
        return Field(values, torch.ones(samples, dtype=torch.bool), torch.arange(6) < lengths)


class ConcatContract(Held, FusionContract):
    held = ToyConcat


class PrefixContract(Held, FusionContract):
    held = ToyPrefix
    settings = {"into": "question"}


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


class RidersContract(Held, FusionContract):
    held = ToyRiders
    ports = {"image": Port((4, 6, 5)), "question": Port((5, 5, 5), elastic=True), "text": Port((5, 5), elastic=True)}


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


class ConnectedContract(Held, FusionContract):
    held = ToyConnected
    settings = {"connector": {"name": "toy_linear"}}


class VectorContract(Held, ModalityContract):
    held = VectorModality
    settings = {"noise": 0.5}

    def cells(self, folder: Path) -> list[Cell]:
        return [row["vector"] for row in toy_rows(8)]

    def broken(self, folder: Path) -> list[Cell]:
        return ["a b c", "1 2", "1 2 nan"]


class SequenceContract(Held, ModalityContract):
    held = SequenceModality

    def cells(self, folder: Path) -> list[Cell]:
        return [row["sequence"] for row in toy_rows(8)]

    def broken(self, folder: Path) -> list[Cell]:
        return [" "]


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


class WordsDroppedContract(SequenceContract):
    held = WordsDropped

    def broken(self, folder: Path) -> list[Cell]:
        return ["\n \n"]


class LabelContract(Held, ModalityContract):
    held = LabelModality

    def cells(self, folder: Path) -> list[Cell]:
        return [row["label"] for row in toy_rows(8)]

    def broken(self, folder: Path) -> list[Cell]:
        return ["sideways"]


class LabelInTwoWalks(LabelModality):
    """Looks at its cells twice, as it may."""

    def fit(self, cells: Iterable[Cell], base: Path) -> None:
        known = {str(cell) for cell in cells}
        super().fit((cell for cell in cells if str(cell) in known), base)


class LabelInTwoWalksContract(LabelContract):
    held = LabelInTwoWalks


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


class LabelInFileContract(Held, ModalityContract):
    held = LabelInFile

    def cells(self, folder: Path) -> list[Cell]:
        for number, row in enumerate(toy_rows(8)):
            (folder / f"{number}.txt").write_text(str(row["label"]))
        return [f"{number}.txt" for number in range(8)]

    def broken(self, folder: Path) -> list[Cell]:
        return ["gone.txt"]


class ClassificationContract(Held, TaskContract):
    held = ToyClassification
    settings = {"target": "label"}

    def fields(self) -> Mapping[str, Modality]:
        return toy_modalities()

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        return toy_batch(samples, seed=1)


class GenerationContract(Held, TaskContract):
    held = ToyGeneration
    settings = {"target": "sequence"}
    writes = {"joint": 4, "sequence/logits": 10}

    def fields(self) -> Mapping[str, Modality]:
        return toy_modalities()

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        return toy_batch(samples, seed=1)


class AlignmentContract(Held, TaskContract):
    held = ToyAlignment
    writes = {"sequence": 4, "vector": 5}

    def fields(self) -> Mapping[str, Modality]:
        return toy_modalities()

    def batch(self, samples: int, generator: torch.Generator) -> Batch:
        return toy_batch(samples, seed=1)


class ToyConnectorContract(Held, ConnectorContract):
    held = ToyConnector


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


class ToySourceContract(Held, SourceContract):
    held = ToySource


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


class ToyFileContract(Held, SourceContract):
    held = ToyFile

    def shipped(self) -> Mapping[str, Any]:
        return {"name": self.name, "path": "???"}

    def source_settings(self, folder: Path) -> Mapping[str, Any]:
        (folder / "lines.txt").write_text("one\ntwo")
        return {"path": "lines.txt"}

    def broken_in(self, folder: Path) -> Sequence[Mapping[str, Any]]:
        return [{"path": "gone.txt"}]
