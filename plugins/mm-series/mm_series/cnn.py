"""The encoder `series-cnn`: convolutions along time, stage by stage."""

# B = samples of a batch, S = steps, C = channels, N = tokens, D = width

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from torch import Tensor, nn
from torch.nn.functional import pad

from mm_series.steps import inputs
from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Encoder, Stage, StageCache
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens

Activation = Literal["relu", "gelu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
Kernel = Annotated[int, Range(1, soft_high=31, step=2)]


class SeriesCNN(Encoder):
    """Each entry of `widths` is a stage; tokens are steps, on a grid of one axis.

    Each step is normalised by itself: statistics over time would depend on how far a batch is padded.
    """

    consumes = "series"

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        stem_width: Annotated[int, Range(1, soft_low=8, soft_high=256, log=True)] = 32,
        stem_kernel: Kernel = 7,
        stem_stride: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 1,
        widths: Annotated[tuple[int, ...], Range(1, soft_low=16, soft_high=512, log=True)] = (64, 64),
        strides: Annotated[tuple[int, ...], Range(1, 64, soft_high=4)] = (2, 2),
        kernel: Kernel = 5,
        activation: Activation = "relu",
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
    ) -> None:
        """facts: channels. Raises ConfigError where widths and strides do not fit each other."""
        super().__init__(facts)
        if not widths or len(widths) != len(strides):
            raise ConfigError(
                f"the encoder series-cnn needs a stride for each width, at least one: widths has {len(widths)}, "
                f"strides has {len(strides)}."
            )
        self.stem = StepStage(
            2 * facts["channels"], stem_width, kernel=stem_kernel, stride=stem_stride, activation=activation
        )
        self.widths = (stem_width, *widths)
        self.stages = nn.ModuleList(
            StepStage(width_in, width_out, kernel=kernel, stride=stride, activation=activation, dropout=dropout)
            for width_in, width_out, stride in zip(self.widths[:-1], widths, strides, strict=True)
        )

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """[B,S,C,2] -> [B,N,D]."""
        tokens: Tokens = self.stem(inputs(field))
        return tokens


class StepStage(Stage):
    """A convolution along time, a norm of each step, an activation."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        *,
        kernel: int,
        stride: int,
        activation: Activation,
        dropout: float = 0.0,
    ) -> None:
        """stride: of every so many steps one is left. dropout: share of the numbers dropped while training."""
        super().__init__()
        self.margins = ((kernel - 1) // 2, kernel // 2)
        self.stride = stride
        self.convolution = nn.Conv1d(width_in, width_out, kernel, stride)
        self.after = nn.Sequential(nn.LayerNorm(width_out), ACTIVATIONS[activation](), nn.Dropout(dropout))

    def forward(self, tokens: Tokens, cache: StageCache | None = None) -> Tokens:
        """[B,N,width_in] -> [B,ceil(N / stride),width_out]; step n is real where step n * stride was."""
        steps = self.convolution(pad(tokens.zeroed().values.transpose(1, 2), self.margins)).transpose(1, 2)
        mask, order = tokens.mask[:, :: self.stride], tokens.order[:, :: self.stride]
        left = Tokens(self.after(steps), mask, order, grid=(steps.shape[1],), dense=tokens.dense, flat=tokens.flat)
        return replace(left, causal=tokens.causal and self.stride == 1).zeroed()
