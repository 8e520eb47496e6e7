"""The connectors keep the promises of mmcore.interfaces."""

import torch

from mmcore.interfaces.tokens import Tokens
from mmcore.testing import ConnectorContract


class TestLinear(ConnectorContract):
    name = "linear"


class TestLinearWithoutBias(ConnectorContract):
    name = "linear"
    settings = {"bias": False}


class TestMLP(ConnectorContract):
    name = "mlp"


class TestMLPWithNorm(ConnectorContract):
    name = "mlp"
    settings = {"layers": 3, "norm": True}


class OnAGrid(ConnectorContract):
    """Pictures of 3 x 5 cells: neither side is a multiple of 2."""

    name = "pixel-shuffle"

    def tokens(self, samples: int, generator: torch.Generator) -> Tokens:
        return Tokens.of(torch.randn(samples, 15, self.width, generator=generator), grid=(3, 5))


class TestPixelShuffle(OnAGrid):
    settings = {}


class TestPixelShuffleByThree(OnAGrid):
    settings = {"factor": 3, "layers": 1, "norm": False}


class TestPixelShuffleOfASeries(ConnectorContract):
    name = "pixel-shuffle"
    settings = {"axes": 1}

    def tokens(self, samples: int, generator: torch.Generator) -> Tokens:
        lengths = torch.randint(2, 8, (samples, 1), generator=generator)
        values = torch.randn(samples, 7, self.width, generator=generator)
        return Tokens.of(values, torch.arange(7) < lengths, grid=(7,))


class TestResampler(ConnectorContract):
    name = "resampler"
    settings = {"latents": 3, "heads": 2}
    width_out = 16


class TestResamplerOnAGrid(OnAGrid):
    name = "resampler"
    settings = {"latents": 4, "heads": 5, "layers": 1, "dropout": 0.2}


class TestResamplerWithoutPlaces(ConnectorContract):
    name = "resampler"
    settings = {"latents": 3, "heads": 2, "place": False}
