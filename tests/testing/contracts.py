"""The contracts held by the toys: the unbroken siblings of every mutant."""

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import torch

from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.fusion import Port
from mmcore.interfaces.modality import Cell, Modality
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
from tests.testing.parts import (
    LabelInFile,
    LabelInTwoWalks,
    ToyConnected,
    ToyFile,
    ToyGaps,
    ToyRiders,
    ToySource,
    WordsDropped,
)


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


class RidersContract(Held, FusionContract):
    held = ToyRiders
    ports = {"image": Port((4, 6, 5)), "question": Port((5, 5, 5), elastic=True), "text": Port((5, 5), elastic=True)}


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


class NumbersContract(Held, ModalityContract):
    held = VectorModality
    settings = {"noise": 0.5}

    def cells(self, folder: Path) -> list[Cell]:
        return [0.5, -1.25, 3, 1e-3, 7.0, 0]

    def broken(self, folder: Path) -> list[Cell]:
        return ["a", "1 2"]


class SequenceContract(Held, ModalityContract):
    held = SequenceModality

    def cells(self, folder: Path) -> list[Cell]:
        return [row["sequence"] for row in toy_rows(8)]

    def broken(self, folder: Path) -> list[Cell]:
        return [" "]


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


class LabelInTwoWalksContract(LabelContract):
    held = LabelInTwoWalks


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


class ToySourceContract(Held, SourceContract):
    held = ToySource


class ToyGapsContract(Held, SourceContract):
    held = ToyGaps


class ToyFileContract(Held, SourceContract):
    held = ToyFile

    def shipped(self) -> Mapping[str, Any]:
        return {"name": self.name, "path": "???"}

    def source_settings(self, folder: Path) -> Mapping[str, Any]:
        (folder / "lines.txt").write_text("one\ntwo")
        return {"path": "lines.txt"}

    def broken_in(self, folder: Path) -> Sequence[Mapping[str, Any]]:
        return [{"path": "gone.txt"}]
