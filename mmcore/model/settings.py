"""What `model` in params.yaml may say."""

from dataclasses import dataclass
from typing import Annotated

from mmcore.interfaces.settings import Range


@dataclass(frozen=True)
class ModelSettings:
    """How the model treats fields that a sample lacks."""

    modality_dropout: Annotated[float, Range(0, 0.9)] = 0.0
    """Chance that a field is hidden from the model while training, for each sample; the last one is never taken."""
    blank: bool = True
    """A learned token stands for an absent field; false: an absent field has no token at all."""
