"""Contracts for the tests of plugins to inherit: what an interface promises, written once."""

from mmcore.testing.connector import ConnectorContract
from mmcore.testing.encoder import EncoderContract
from mmcore.testing.fusion import FusionContract
from mmcore.testing.modality import ModalityContract
from mmcore.testing.source import SourceContract
from mmcore.testing.task import TaskContract

__all__ = [
    "ConnectorContract",
    "EncoderContract",
    "FusionContract",
    "ModalityContract",
    "SourceContract",
    "TaskContract",
]
