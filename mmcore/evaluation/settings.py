"""What `evaluation` and `floors` in params.yaml may say."""

from dataclasses import dataclass
from typing import Annotated, Literal

from mmcore.interfaces.settings import Range
from mmcore.registry.settings import Part


@dataclass(frozen=True)
class EvaluationSettings:
    """How a trained model is judged."""

    split: Literal["validation", "test"] = "test"
    batch_size: Annotated[int, Range(1)] = 256
    confidence: Annotated[float, Range(0.5, 0.999)] = 0.95
    resamples: Annotated[int, Range(0)] = 1000
    """Bootstrap samples, drawn by group; 0: no intervals."""
    seed: int = 0
    threads: Annotated[int, Range(1)] = 1
    without: bool = True
    """Score the model once more with each field taken away."""
    write: bool = True
    """Tasks that write a field do so, for metrics that look at texts; false: only how likely the given ones are."""
    corrupt: tuple[Annotated[float, Range(0, 1)], ...] = ()
    """Score it once more with each input damaged, in each way its modality knows, this strongly: [0.25, 0.5, 1]."""


@dataclass(frozen=True)
class FloorSettings:
    """What a model must beat: the training targets alone, and each field alone."""

    alone: bool = True
    """Train a small model on each field alone."""
    fusion: Part | None = None
    """The fusion of a model with one field; a task that writes wants one that shows the field to what it writes. In
    conf/ null is the model's own, and `mm compose` writes that down."""
    epochs: Annotated[int, Range(1)] = 3
    """Epochs of each of them; all else is as in `training`."""
