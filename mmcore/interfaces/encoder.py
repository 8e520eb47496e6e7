"""An encoder: one field to tokens, stage by stage."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from mmcore.interfaces.cache import StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.tokens import Tokens

__all__ = ["Encoder", "Stage", "StageCache"]


class Stage(nn.Module, ABC):
    """One step of an encoder: tokens of one width to tokens of another. It keeps no state of its own."""

    @abstractmethod
    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """Tokens [B,N,D] to tokens.

        cache: None, or what this stage kept of the tokens before these; it puts there what later ones need: what gets
        longer by `grow`, anything else set anew, and never by writing into a tensor that is there.
        """


class Encoder(nn.Module, ABC):
    """Embed a field, then walk it through `stages`; a fusion may look in between.

    A black box is one stage. Neither the encoder nor a stage keeps anything between calls: fields may share an encoder,
    and a fusion may walk them in turn. `stages` is set in `__init__`, never as a class default: nn.Module finds
    submodules in `__getattr__`, which a class attribute would hide, and the encoder would silently have no layers.
    """

    consumes: ClassVar[str]
    """The modality it reads, by entry-point name."""
    elastic: bool = False
    """Stages accept inserted tokens (attention and RNNs do; convolutions over a grid do not)."""
    causal: bool = False
    """No token sees a later one: the encoder can write."""
    batch_statistics: bool = False
    """Rows see each other while training (BatchNorm), or move statistics that are kept in buffers: absent rows are
    gathered out, gradient caching refuses it."""

    by_number: tuple[str, ...] = ()
    """Weights that hang on the field's numbers and are no row for each: they mean nothing once numbers have moved."""

    widths: tuple[int, ...]
    """D after `embed` and after each stage: one more than there are stages."""
    stages: nn.ModuleList

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """facts: what the field's modality says of itself; settings follow as keyword arguments."""
        super().__init__()

    @property
    def depth(self) -> int:
        """How many stages there are."""
        return len(self.stages)

    @abstractmethod
    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """A prepared field to tokens of width widths[0]; absent rows may hold anything finite, the model masks them.

        start: how many real tokens of each sample ([B] or one number for all) came before these while decoding.
        """

    def readout(self, tokens: Tokens) -> Tensor | None:
        """Logits [B,N,vocabulary] for language models (tied embeddings, a pretrained head); None where it has none.

        Each token's from that token alone: while text is written, only the newest is handed in.
        """
        return None

    def warm_start(self) -> None:
        """Fetch pretrained weights. Called when a training starts, never when a saved model is rebuilt."""

    def rebuilt_with(self) -> Mapping[str, Any]:
        """Settings that a saved model holds in place of those given, so that rebuilding it needs nothing else: the
        architecture, say, that the name of a pretrained model stands for. Plain values, as YAML has them."""
        return {}
