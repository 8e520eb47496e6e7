"""The contracts held by the toys: the unbroken siblings of every mutant."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import torch

from mmcore.interfaces.connector import Connector
from mmcore.interfaces.field import Batch, Field
from mmcore.interfaces.modality import Cell, Modality
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
from mmcore.testing.toys.encoders import MLP, CausalGRU
from mmcore.testing.toys.fusion import ToyConcat
from mmcore.testing.toys.modalities import LabelModality, SequenceModality, VectorModality
from mmcore.testing.toys.task import ToyClassification
from mmcore.testing.toys.writing import ToyGeneration


class Held(PluginContract):
    """A class that no package registers, held to a contract."""

    name = "toy"
    held: ClassVar[type[Any]]

    def plugins(self) -> Plugins:
        point = EntryPoint(self.name, f"{self.held.__module__}:{self.held.__qualname__}", GROUPS[self.kind])
        return Plugins.of(lambda group: [point] if group == point.group else [])

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


class LabelContract(Held, ModalityContract):
    held = LabelModality

    def cells(self, folder: Path) -> list[Cell]:
        return [row["label"] for row in toy_rows(8)]

    def broken(self, folder: Path) -> list[Cell]:
        return ["sideways"]


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


class ToyConnector(Connector):
    """One linear layer."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__(width, width_out)
        self.linear = torch.nn.Linear(width, width_out)

    def forward(self, tokens: Tokens) -> Tokens:
        return tokens.with_values(self.linear(tokens.values))


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
