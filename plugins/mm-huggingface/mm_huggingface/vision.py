"""The encoder `hf-vision`: a picture model of transformers, layer by layer where it is a vision transformer."""

# B = samples of a batch, N = tokens of a sample, D = width, H, W = height and width in pixels

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from mm_huggingface.layers import Last, Layer
from mm_huggingface.lora import LoraSettings
from mm_huggingface.pretrained import Pretrained, build, leave_unused
from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.grid import from_picture, to_picture


@dataclass(frozen=True)
class Family:
    """How a vision transformer of transformers is put together."""

    layers: str
    """Where its layers are."""
    before: str | None
    """What normalises before them."""
    after: str | None
    """What normalises after them."""
    prefix: int
    """Tokens in front of the patches."""
    resizes: bool = True
    """Its embeddings want to be asked to fit their places to another size of picture."""


FAMILIES = {
    "clip_vision_model": Family("encoder.layers", "pre_layrnorm", None, prefix=1),
    "siglip_vision_model": Family("encoder.layers", None, "post_layernorm", prefix=0),
    "vit": Family("layers", None, "layernorm", prefix=1),
    "dinov2": Family("encoder.layer", None, "layernorm", prefix=1, resizes=False),
}


class HFVision(Pretrained):
    """CLIP, SigLIP, ViT and DINOv2 layer by layer; any other as one stage from pixels to its last layer."""

    consumes = "image"

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        model: str | None,
        architecture: Mapping[str, Any] | None = None,
        drop_layers: Annotated[int, Range(0)] = 0,
        output: Literal["tokens", "patches", "class"] = "tokens",
        lora: LoraSettings | None = None,
    ) -> None:
        """facts: channels, height, width. Settings: see conf/encoder/hf-vision.yaml.

        Raises ConfigError where pictures of this size do not fit the model, or it has no such output.
        """
        super().__init__(facts, model=model, architecture=architecture, lora=lora)
        self.size = (facts["height"], facts["width"])
        self.family = FAMILIES.get(self.config.model_type)
        self.drop_layers = drop_layers
        self.output = output
        self._check()
        self._assemble()
        norms = (nn.modules.batchnorm._BatchNorm,)
        self.batch_statistics = any(isinstance(module, norms) for module in self.modules())
        self.elastic = self.family is not None and output == "tokens"
        self.widths = self._try_out(facts["channels"])

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Pixels [B,3,H,W] -> tokens of patches, or the pixels themselves where the model is one stage."""
        found: Tokens = self.parts["embed"](field.values)
        return found

    def _narrowed(self, config: Any) -> Any:
        return getattr(config, "vision_config", None) or config

    def _check(self) -> None:
        kind = self.config.model_type
        if self.family is None:
            if self.drop_layers or self.output != "tokens":
                raise ConfigError(
                    f"the model {kind!r} is walked as one stage: set drop_layers: 0 and output: tokens. Layer by layer "
                    f"are: {', '.join(sorted(FAMILIES))}."
                )
            return
        if self.output == "class" and not self.family.prefix:
            raise ConfigError(f"the model {kind!r} has no class token: set output: tokens, or patches.")
        if self.drop_layers >= self.config.num_hidden_layers:
            raise ConfigError(
                f"drop_layers is {self.drop_layers}, but the model has {self.config.num_hidden_layers} layers in all."
            )
        patch = self.config.patch_size
        if any(side % patch for side in self.size):
            raise ConfigError(
                f"pictures of {self.size[1]} x {self.size[0]} px cannot be cut into patches of {patch} px. Set the "
                f"modality's size_px to a multiple of {patch}; the model was trained with {self.config.image_size}."
            )

    def _network(self, config: Any, model: str | None) -> nn.Module:
        from transformers import AutoModel

        return build(AutoModel, config, model)

    def _parts(self, network: Any) -> nn.ModuleDict:
        if self.family is None:
            return nn.ModuleDict({"embed": Pixels(), "stages": nn.ModuleList([WholeVision(network)])})
        family, patch = self.family, self.config.patch_size
        if hasattr(network.embeddings, "mask_token"):
            network.embeddings.mask_token = None  # for training by hidden patches alone
        trained = (self.config.image_size,) * 2 if isinstance(self.config.image_size, int) else self.config.image_size
        before = nn.Identity() if family.before is None else getattr(network, family.before)
        embed = Patches(network.embeddings, before, resized=family.resizes and self.size != tuple(trained))
        layers = list(network.get_submodule(family.layers))
        stages: list[Stage] = [Layer(layer) for layer in layers[: len(layers) - self.drop_layers]]
        if family.after is not None and not self.drop_layers:
            stages[-1] = Last(stages[-1], getattr(network, family.after))
        grid = (self.size[0] // patch, self.size[1] // patch)
        if self.output == "patches":
            stages[-1] = PatchesAlone(stages[-1], family.prefix, grid=grid)
        elif self.output == "class":
            stages[-1] = ClassAlone(stages[-1])
        return nn.ModuleDict({"embed": embed, "stages": nn.ModuleList(stages)})

    @torch.enable_grad()
    def _try_out(self, channels: int) -> tuple[int, ...]:
        """The widths, found by walking one black picture where the model is one stage."""
        if self.family is not None:
            return (self.config.hidden_size,) * (len(self.stages) + 1)
        self.eval()
        try:
            tokens = self.embed(Field(torch.zeros(1, channels, *self.size), torch.ones(1, dtype=torch.bool)))
            found = self.stages[0](tokens)
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"pictures of {self.size[1]} x {self.size[0]} px do not go through the model "
                f"{self.config.model_type!r}: {error}. Change the modality's size_px, or take another model."
            ) from error
        leave_unused(self.stages, found)
        self.train()
        return channels, found.width


class Patches(nn.Module):
    """What a vision transformer does before its layers."""

    def __init__(self, embeddings: nn.Module, norm: nn.Module, *, resized: bool) -> None:
        """resized: pictures are of another size than the model was trained with: places are interpolated."""
        super().__init__()
        self.embeddings = embeddings
        self.norm = norm
        self.resized = resized

    def forward(self, pixels: Tensor) -> Tokens:
        """[B,3,H,W] -> [B,N,D], class token first where the model has one."""
        more = {"interpolate_pos_encoding": True} if self.resized else {}
        return Tokens.of(self.norm(self.embeddings(pixels, **more)))


class PatchesAlone(Stage):
    """The last stage, without the tokens in front of the patches; those stand on a grid."""

    def __init__(self, stage: Stage, prefix: int, *, grid: tuple[int, int]) -> None:
        """prefix: how many stand in front."""
        super().__init__()
        self.stage = stage
        self.prefix = prefix
        self.grid = grid

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,height*width,D]; where a learned token alone stands for a picture, it stays."""
        found: Tokens = self.stage(tokens, cache)
        patches = replace(found.cut(self.prefix, found.length), grid=self.grid)
        if found.dense or not self.prefix:
            return patches
        alone = found.mask[:, :1] & ~patches.mask[:, :1]
        values, mask = patches.values.clone(), patches.mask.clone()
        values[:, :1] = torch.where(alone.unsqueeze(-1), found.values[:, :1], values[:, :1])
        mask[:, :1] |= alone
        return replace(patches, values=values, mask=mask)


class ClassAlone(Stage):
    """The last stage's class token."""

    def __init__(self, stage: Stage) -> None:
        """stage: gives it first."""
        super().__init__()
        self.stage = stage

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,1,D]."""
        found: Tokens = self.stage(tokens, cache)
        return Tokens.single(found.values[:, 0], None if found.dense else found.present)


class Pixels(nn.Module):
    """Pixels as tokens, without a copy: what a black box starts from."""

    def forward(self, pixels: Tensor) -> Tokens:
        """[B,3,H,W] -> [B,H*W,3]."""
        values = pixels.movedim(1, -1).flatten(1, 2)
        # One cell stretched over all: a picture has so many pixels that their layout would weigh more than they do.
        mask = torch.ones(1, 1, dtype=torch.bool, device=pixels.device).expand(values.shape[:2])
        order = torch.zeros(1, 1, dtype=torch.long, device=pixels.device).expand(values.shape[:2])
        return Tokens(values, mask, order, grid=tuple(pixels.shape[2:]), dense=True, flat=True)


class WholeVision(Stage):
    """A picture model from pixels to its last layer."""

    def __init__(self, network: nn.Module) -> None:
        """network: gives [B,D,height,width] or [B,N,D]."""
        super().__init__()
        self.network = network

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,H*W,3] -> [B,N,D]; a full row stays full, of any other the first token alone is as it was."""
        found = self.network(pixel_values=to_picture(tokens)).last_hidden_state
        if found.ndim == 4:
            return from_picture(found, tokens)
        if tokens.dense:
            return Tokens.of(found)
        rest = tokens.mask.all(1, keepdim=True).expand(-1, found.shape[1] - 1)
        return Tokens.of(found, torch.cat([tokens.mask[:, :1], rest], 1)).zeroed()
