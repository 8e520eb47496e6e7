"""The encoder `audio-cnn`: convolutions over the spectrogram, stage by stage."""

# B = samples of a batch, F = frames, M = mel bands, N = tokens of a sample, D = width

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from torch import Tensor, nn

from mm_audio.convolution import Convolution
from mm_audio.masked import ACTIVATIONS, Activation, ConvStage, MaskedGroupNorm, check_kernel, frames_of
from mmcore.errors import ConfigError
from mmcore.interfaces.encoder import Encoder
from mmcore.interfaces.field import Field
from mmcore.interfaces.settings import Range
from mmcore.interfaces.tokens import Tokens
from mmcore.layers.grid import same_padding

Strides = Annotated[tuple[int, ...], Range(1, 16, soft_high=2)]


class AudioCNN(Encoder):
    """Each entry of `widths` is a stage; tokens are cells of time x frequency, in the end one for each step of time.

    Group norm over the real frames alone: neither neighbours nor padding change what a sound becomes.
    """

    consumes = "audio"

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        stem_width: Annotated[int, Range(1, soft_low=8, soft_high=64, log=True)] = 16,
        stem_strides: Annotated[tuple[int, int], Range(1, 16, soft_high=4)] = (2, 2),
        widths: Annotated[tuple[int, ...], Range(1, soft_low=16, soft_high=256, log=True)] = (32, 64, 96),
        time_strides: Strides = (1, 2, 1),
        frequency_strides: Strides = (2, 2, 1),
        kernel: Annotated[int, Range(1, 31, soft_high=7, step=2)] = 3,
        groups: Annotated[int, Range(1, 64, soft_high=8, log=True)] = 8,
        activation: Activation = "relu",
        dropout: Annotated[float, Range(0, 0.9)] = 0.0,
        output: Literal["steps", "cells"] = "steps",
    ) -> None:
        """facts: mels. Raises ConfigError where the sizes do not fit each other."""
        super().__init__(facts)
        _check(widths, time_strides, frequency_strides, kernel=kernel)
        self.multiple = stem_strides[0] * math.prod(time_strides)
        stem = Convolution(1, stem_width, kernel, stem_strides, _padding(kernel, stem_strides))
        self.stem = nn.Sequential(stem, ACTIVATIONS[activation]())
        self.widths = (stem_width, *widths)
        bands = -(-facts["mels"] // stem_strides[1])
        stages = list[nn.Module]()
        for number, strides in enumerate(zip(time_strides, frequency_strides, strict=True)):
            size: tuple[int, int] = (kernel, kernel)
            padding = _padding(kernel, strides)
            if output == "steps" and number == len(widths) - 1:  # the last one hears all frequencies at once
                size, padding, strides = (kernel, bands), (padding[0], 0), (strides[0], 1)
            bands = -(-bands // strides[1])
            convolution = Convolution(self.widths[number], widths[number], size, strides, padding, bias=False)
            norm = MaskedGroupNorm(groups, widths[number])
            stages.append(ConvStage(convolution, norm, activation=activation, dropout=dropout))
        self.stages = nn.ModuleList(stages)

    def embed(self, field: Field, start: Tensor | int = 0) -> Tokens:
        """Spectrograms [B,F,M] -> one token for each cell of the stem's grid."""
        values, mask = frames_of(field, multiple=self.multiple)
        picture = self.stem(values.unsqueeze(1))
        steps, bands = picture.shape[2:]
        real = mask[:, :: mask.shape[1] // steps].repeat_interleave(bands, 1)
        return Tokens.of(picture.movedim(1, -1).flatten(1, 2), real, grid=(steps, bands)).zeroed()


def _padding(kernel: int, strides: tuple[int, int]) -> tuple[int, int]:
    return same_padding(kernel, strides[0]), same_padding(kernel, strides[1])


def _check(
    widths: tuple[int, ...], time_strides: tuple[int, ...], frequency_strides: tuple[int, ...], *, kernel: int
) -> None:
    if not widths or not len(widths) == len(time_strides) == len(frequency_strides):
        raise ConfigError(
            "the encoder audio-cnn needs a stride in time and one in frequency for each width, at least one: widths "
            f"has {len(widths)}, time_strides {len(time_strides)}, frequency_strides {len(frequency_strides)}."
        )
    check_kernel("audio-cnn", kernel)
