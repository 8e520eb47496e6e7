"""The encoder `timm`: any model of PyTorch Image Models, walked stage by stage or as one black box."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from mm_image.anatomy import Anatomy, take_apart
from mm_image.zoo import Recipe
from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens


class Timm(Encoder):
    """A model of timm without its classifier."""

    consumes = "image"

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        model: str = "resnet18",
        weights: str = "none",
        stages: bool = True,
        output: Literal["tokens", "global"] = "tokens",
        drop_path: Annotated[float, Range(0, 0.9)] = 0.0,
    ) -> None:
        """facts: channels, height, width. Settings: see conf/encoder/timm.yaml.

        Raises ConfigError for an unknown model, one without stages where they are asked for, and one that pictures of
        this size do not fit.
        """
        super().__init__(facts)
        size = (facts["height"], facts["width"])
        self.recipe = Recipe(model, channels=facts["channels"], size=size, stages=stages, drop_path=drop_path)
        self.weights = weights
        self.output = output
        network = self.recipe.build()
        spared = {id(parameter) for parameter in self.recipe.spared(network)}
        parts = self._parts(network)
        self.first = parts.first
        self.stages = nn.ModuleList(parts.stages)
        self.spared = {name for name, parameter in self.named_parameters() if id(parameter) in spared}
        norms = (nn.modules.batchnorm._BatchNorm,)
        self.batch_statistics = any(isinstance(module, norms) for module in self.modules())
        self.widths = self._try_out(facts["channels"], size)

    def no_weight_decay(self) -> set[str]:
        """What the model of timm wants spared, by its names here."""
        return self.spared

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Pixels [B,3,H,W] -> the tokens of the first stage, or the pixels themselves where the model is one stage."""
        return self.first(field.values)

    def warm_start(self) -> None:
        """Fetch weights from the hub or from a file. Raises ConfigError or SetupError where that cannot be done."""
        if self.weights == "none":
            return
        parts = self._parts(self.recipe.pretrained(self.weights))
        self.first.load_state_dict(parts.first.state_dict())
        self.stages.load_state_dict(nn.ModuleList(parts.stages).state_dict())

    def _parts(self, network: nn.Module) -> Anatomy:
        return take_apart(network, self.recipe.name, stages=self.recipe.stages, pooled=self.output == "global")

    @torch.no_grad()
    def _try_out(self, channels: int, size: tuple[int, int]) -> tuple[int, ...]:
        """The widths, found by walking one black picture: a size that does not fit is told now, not in training."""
        self.eval()
        try:
            tokens = self.first(torch.zeros(1, channels, *size))
            widths = [tokens.width]
            for stage in self.stages:
                tokens = stage(tokens)
                widths.append(tokens.width)
        except (RuntimeError, AssertionError, ValueError, TypeError) as error:
            raise ConfigError(
                f"pictures of {size[1]} x {size[0]} px do not go through the timm model {self.recipe.name!r}: {error}. "
                "Choose another size_px or another model, or set stages: false."
            ) from error
        self.train()
        return tuple(widths)
