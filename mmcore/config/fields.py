"""What each entry of `fields` in params.yaml may say."""

from dataclasses import dataclass
from typing import Literal

from mmcore.registry.origin import PackageSettings
from mmcore.registry.settings import Part

CODE_OF_THE_CORE = "mmcore/data"
"""Stands where DVC wants a path and there is none to watch: every stage that asks depends on it anyway."""


@dataclass(frozen=True)
class FieldSettings:
    """One named column: how it becomes numbers, and which encoder reads it."""

    column: str | tuple[str, ...]
    """The source's column; or several, whose cells become one JSON object (for the modality table)."""
    modality: Part
    fit: tuple[str, ...]
    """The fields whose training cells feed the modality's fit: itself and all that are `like` it; by `mm compose`."""
    code: str
    """The modality's code, a file or folder, for DVC to watch; written by `mm compose`."""
    modality_files: tuple[str, ...] = ()
    """Files and folders that the modality's settings name, likewise."""
    encoder_files: tuple[str, ...] = ()
    """Those of the encoder's."""
    encoder: Part | None = None
    """null: the field is only a target."""
    like: str | None = None
    """Another field whose modality, fit and encoder this one shares."""
    frozen: bool = False
    """The encoder's weights stay as they are."""
    features: Literal["auto", "on", "off"] = "auto"
    """Compute a frozen encoder's output once: where that gives the same result, always (else an error), or never."""
    package: PackageSettings | None = None
    """Where the modality comes from, if from outside this repository; written by `mm compose`."""
    encoder_package: PackageSettings | None = None
    """Likewise for the encoder."""
