"""What a model is made of, before it is made."""

from collections.abc import Collection, Mapping
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

    def only(self, names: Collection[str]) -> "ModelPlan":
        """The same model with some fields alone."""
        kept = {name: encoder for name, encoder in self.encoders.items() if name in names}
        own = {name: replace(each, like=each.like if each.like in kept else None) for name, each in kept.items()}
        return replace(self, encoders=own)
