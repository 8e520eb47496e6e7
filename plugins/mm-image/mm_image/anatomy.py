"""A timm model taken apart into stages."""

# B = samples of a batch, N = tokens of a sample, D = width, H, W = height and width in pixels

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from timm.layers import PatchEmbed
from timm.models import FeatureListNet, VisionTransformer
from torch import Tensor, nn

from mm_image.blocks import BlockStage, ClassToken
from mm_image.patches import PatchConv
from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Stage, StageCache
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.grid import GridStage, from_picture, to_picture


@dataclass(frozen=True)
class Anatomy:
    """first: pixels [B,3,H,W] -> Tokens. stages: the rest."""

    first: nn.Module
    stages: list[Stage]


def take_apart(network: nn.Module, name: str, *, stages: bool, pooled: bool) -> Anatomy:
    """stages: in as many parts as the model shows; else in one. pooled: one token a picture comes out at the end.

    Raises ConfigError where `stages` is asked of a model that has none to show.
    """
    for module in network.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # what a fusion took between two stages must not change behind its back
    if not stages:
        return Anatomy(Pixels(), [Whole(network, pooled)])
    if isinstance(network, VisionTransformer):
        return _transformer(network, pooled)
    if isinstance(network, FeatureListNet) and len(network.return_layers) > 1:
        return _features(network, pooled)
    raise ConfigError(f"the timm model {name!r} has no stages to walk through one by one. Set stages: false.")


def _features(network: FeatureListNet, pooled: bool) -> Anatomy:
    """Cut behind each layer whose output timm calls a feature."""
    groups, layers = list[list[nn.Module]](), list[nn.Module]()
    for name, layer in network.items():
        layers.append(layer)
        if name in network.return_layers:
            groups.append(layers)
            layers = []
    last = network.output_fmt == "NHWC"  # an enumeration of texts
    first = FirstFeatures(Layers(groups[0], last_in=False, last_out=last))
    shrunk = network.feature_info.reduction()
    strides = [after // before for before, after in pairwise(shrunk)]
    stages: list[Stage] = [
        GridStage(Layers(group, last_in=last, last_out=last), stride=stride)
        for group, stride in zip(groups[1:], strides, strict=True)
    ]
    if pooled:
        stages[-1] = Pooled(stages[-1])
    return Anatomy(first, stages)


def _transformer(network: VisionTransformer, pooled: bool) -> Anatomy:
    stages: list[Stage] = [BlockStage(block, nn.Identity()) for block in network.blocks[:-1]]
    last = BlockStage(network.blocks[-1], network.norm)
    stages.append(_one_token(last, network) if pooled else last)
    network.blocks, network.norm = nn.Sequential(), nn.Identity()  # each lives in its stage from now on
    if isinstance(network.patch_embed, PatchEmbed):
        network.patch_embed.proj = PatchConv.of(network.patch_embed.proj)
    return Anatomy(Patches(network), stages)


def _one_token(last: BlockStage, network: VisionTransformer) -> Stage:
    # Registers may stand in front without a class token.
    norm, attention = network.fc_norm, network.attn_pool
    network.fc_norm, network.attn_pool = nn.Identity(), None
    if network.cls_token is not None and network.global_pool == "token":
        return ClassToken(last, norm)
    lead = 0 if network.pool_include_prefix else network.num_prefix_tokens
    return Pooled(last, norm, lead=lead, attention=attention)


class Pixels(nn.Module):
    """Pixels as tokens, without a copy: what a black box starts from."""

    def forward(self, pixels: Tensor) -> Tokens:
        """[B,3,H,W] -> [B,H*W,3]."""
        values = pixels.movedim(1, -1).flatten(1, 2)
        # One cell stretched over all: a picture has so many pixels that their layout would weigh more than they do.
        mask = torch.ones(1, 1, dtype=torch.bool, device=pixels.device).expand(values.shape[:2])
        order = torch.zeros(1, 1, dtype=torch.long, device=pixels.device).expand(values.shape[:2])
        return Tokens(values, mask, order, grid=tuple(pixels.shape[2:]), dense=True, flat=True)


class Whole(Stage):
    """The model as one stage from pixels to its last feature map, or to one vector a picture."""

    def __init__(self, network: nn.Module, pooled: bool) -> None:
        """network: built without classifier."""
        super().__init__()
        self.network = network
        self.pooled = pooled

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,H*W,3] -> [B,N,D], or [B,1,D] where pooled."""
        pixels = to_picture(tokens)
        if self.pooled:
            return Tokens.single(self.network(pixels), None if tokens.dense else tokens.present)
        found = self.network.forward_features(pixels)
        if found.ndim == 3:
            return _line(found, tokens)
        if found.shape[1] != self.network.num_features:
            found = found.movedim(-1, 1)  # some keep their channels last
        return from_picture(found, tokens)


class Layers(nn.Module):
    """Layers one after another on [B,D,H,W], for models that keep their channels last too."""

    def __init__(self, layers: Sequence[nn.Module], *, last_in: bool, last_out: bool) -> None:
        """last_in, last_out: the layers take, or give, [B,H,W,D]."""
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.last_in = last_in
        self.last_out = last_out

    def forward(self, picture: Tensor) -> Tensor:
        """[B,D,H,W] -> [B,D',H',W']."""
        found = self.layers(picture.movedim(1, -1) if self.last_in else picture)
        return found.movedim(-1, 1) if self.last_out else found


class FirstFeatures(nn.Module):
    """Pixels to the first feature map."""

    def __init__(self, layers: Layers) -> None:
        """layers: up to the first feature."""
        super().__init__()
        self.layers = layers

    def forward(self, pixels: Tensor) -> Tokens:
        """[B,3,H,W] -> [B,N,D] on a grid."""
        found = self.layers(pixels)
        return Tokens.of(found.movedim(1, -1).flatten(1, 2), grid=tuple(found.shape[2:]))


class Patches(nn.Module):
    """What a vision transformer does before its blocks."""

    def __init__(self, network: VisionTransformer) -> None:
        """network: its blocks taken out."""
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tokens:
        """[B,3,H,W] -> [B,N,D], class token first where the model has one."""
        values = self.network._pos_embed(self.network.patch_embed(pixels))
        return Tokens.of(self.network.norm_pre(self.network.patch_drop(values)))


class Pooled(Stage):
    """A stage, and the mean of what it gave behind `lead` as one token.

    Some transformers have a query look at these tokens (`attention`) in place of their mean.
    """

    def __init__(
        self,
        stage: Stage,
        norm: nn.Module | None = None,
        *,
        lead: int = 0,
        attention: nn.Module | None = None,
    ) -> None:
        """stage: the last one. norm: what follows. lead: tokens that are not looked at. attention: [B,N,D] -> [B,D]."""
        super().__init__()
        self.stage = stage
        self.norm = nn.Identity() if norm is None else norm
        self.lead = lead
        self.attention = attention

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,D] -> [B,1,D']."""
        found = self.stage(tokens, cache)
        return Tokens.single(self.norm(self._vector(found)), None if found.dense else found.present)

    def _vector(self, found: Tokens) -> Tensor:
        looked_at = found.cut(self.lead, found.length)
        return looked_at.pool() if self.attention is None else self.attention(looked_at.values)  # type: ignore[no-any-return]


def _line(values: Tensor, before: Tokens) -> Tokens:
    """Tokens without a grid: a full row stays full, and of any other the first alone is as it was."""
    if before.dense:
        return Tokens.of(values)
    rest = before.mask.all(1, keepdim=True).expand(-1, values.shape[1] - 1)
    return Tokens.of(values, torch.cat([before.mask[:, :1], rest], 1)).zeroed()
