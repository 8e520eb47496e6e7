"""The encoder `cnn`: a convolution on the pixels, then stages of convolution, norm and activation."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from torch import Tensor, nn

from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.grid import GridStage, same_padding

Activation = Literal["relu", "gelu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
Sizes = Annotated[tuple[int, ...], Range(1, soft_low=16, soft_high=512, log=True)]


class CNN(Encoder):
    """Each entry of `widths` is a stage, after which a fusion may look in; tokens are the cells of the grid.

    Group norm, not batch norm: no sample sees another, and a part that was never trained normalises all the same.
    """

    consumes = "image"

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        stem_width: Annotated[int, Range(1, soft_low=8, soft_high=128, log=True)] = 16,
        stem_kernel: Annotated[int, Range(1, 31, soft_high=8)] = 4,
        stem_stride: Annotated[int, Range(1, 32, soft_high=8, log=True)] = 4,
        widths: Sizes = (32, 64),
        strides: Annotated[tuple[int, ...], Range(1, 8, soft_high=2)] = (1, 2),
        kernel: Annotated[int, Range(1, 31, soft_high=7, step=2)] = 3,
        groups: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 8,
        activation: Activation = "relu",
    ) -> None:
        """facts: channels, height, width. Raises ConfigError where the sizes do not fit each other."""
        super().__init__(facts)
        _check(facts, widths, strides, stem_stride=stem_stride, groups=groups)
        padding = same_padding(stem_kernel, stem_stride)
        stem = nn.Conv2d(facts["channels"], stem_width, stem_kernel, stem_stride, padding)
        self.stem = nn.Sequential(stem, ACTIVATIONS[activation]())
        self.widths = (stem_width, *widths)
        stages = list[nn.Module]()
        for width_in, width_out, stride in zip(self.widths, widths, strides, strict=False):
            padding = same_padding(kernel, stride)
            body = nn.Sequential(
                nn.Conv2d(width_in, width_out, kernel, stride, padding, bias=False),  # the norm has a bias
                nn.GroupNorm(groups, width_out),
                ACTIVATIONS[activation](),
            )
            stages.append(GridStage(body))
        self.stages = nn.ModuleList(stages)

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Pixels [B,3,H,W] -> one token for each cell of the stem's grid."""
        picture = self.stem(field.values)
        return Tokens.of(picture.movedim(1, -1).flatten(1, 2), grid=tuple(picture.shape[2:]))


def _check(
    facts: Mapping[str, Any], widths: tuple[int, ...], strides: tuple[int, ...], *, stem_stride: int, groups: int
) -> None:
    if not widths or len(widths) != len(strides):
        raise ConfigError(
            f"the encoder cnn needs a stride for each width, at least one: widths has {len(widths)}, "
            f"strides has {len(strides)}."
        )
    uneven = [width for width in widths if width % groups]
    if uneven:
        raise ConfigError(f"each of widths must be a multiple of groups ({groups}), but {uneven[0]} is not.")
    side = min(facts["height"], facts["width"]) // stem_stride
    for stride in strides:
        side //= stride
    if not side:
        raise ConfigError(
            f"nothing is left of pictures of {facts['width']} x {facts['height']} px after stem_stride {stem_stride} "
            f"and strides {list(strides)}. Take smaller strides, or larger pictures (size_px)."
        )
