"""What a model is made of, before it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mmcore.model.settings import ModelSettings
from mmcore.registry.settings import Part


@dataclass(frozen=True)
class EncoderPlan:
    """The encoder of one field."""

    part: Part
    like: str | None = None
    """Another field whose encoder this one shares."""
    frozen: bool = False


@dataclass(frozen=True)
class ModelPlan:
    """Every choice that decides which parameters a model has and what it computes."""

    modalities: Mapping[str, Part]
    """Every field, targets too."""
    encoders: Mapping[str, EncoderPlan]
    """Every field that the model looks at."""
    fusion: Part
    tasks: Mapping[str, Part]
    weights: Mapping[str, float] = field(default_factory=dict)
    """The share of each task's loss; 1 where none is given."""
    settings: ModelSettings = field(default_factory=ModelSettings)

    def only(self, name: str, fusion: Part) -> "ModelPlan":
        """The same model with one field alone, fused by `fusion`."""
        return replace(self, encoders={name: replace(self.encoders[name], like=None)}, fusion=fusion)
